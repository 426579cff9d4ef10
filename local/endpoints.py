"""Where a running local system answers: the file that `up` writes and the other commands read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Endpoints(BaseModel):
    """URLs, but for firestore and queue (host:port) and the names of the buckets."""

    model_config = ConfigDict(frozen=True)

    api: str
    storage: str
    firestore: str
    gemini: str
    queue: str
    control: str
    inbox: str
    results: str
    requests: str
    api_key: str

    def environment(self) -> dict[str, str]:
        """Variables that point Google's own clients at the local system."""
        variables = {
            "STORAGE_EMULATOR_HOST": self.storage,
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "DROPSIGHT_API": self.api,
            "DROPSIGHT_API_KEY": self.api_key,
            "DROPSIGHT_INBOX": self.inbox,
            "DROPSIGHT_RESULTS": self.results,
        }
        return {**variables, "GOOGLE_GEMINI_BASE_URL": self.gemini} if self.gemini else variables


PROJECT = "dropsight-local"


def default_file(port_base: int) -> Path:
    """Where `up` leaves its endpoints for the commands of the same user."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(folder) / f"dropsight-{os.getuid()}-{port_base}.json"


def write(file: Path, endpoints: Endpoints) -> None:
    """At once and for the owner only: it holds an API key."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(endpoints.model_dump(), handle, indent=2)
        handle.write("\n")
    fresh.replace(file)


def read(port_base: int) -> Endpoints:
    """Of the system that runs on `port_base`, or the one that DROPSIGHT_READY_FILE names."""
    named = os.environ.get("DROPSIGHT_READY_FILE")
    file = Path(named) if named else default_file(port_base)
    if not file.exists():
        raise SystemExit(
            f"no local system is running on port base {port_base} ({file} is not there): start one with `dropsight up`"
        )
    return Endpoints.model_validate_json(file.read_text())
