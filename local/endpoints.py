"""The addresses of a running local system, in the file that `up` writes and the other commands read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Endpoints(BaseModel):
    """URLs, except firestore and queue (host:port), the names of the buckets and the key."""

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
    pubsub: str = ""
    """host:port"""

    def environment(self) -> dict[str, str]:
        """Return the variables that point Google's clients and the commands at the local system."""
        variables = {
            "STORAGE_EMULATOR_HOST": self.storage,
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "PUBSUB_EMULATOR_HOST": self.pubsub,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "DROPSIGHT_API": self.api,
            "DROPSIGHT_API_KEY": self.api_key,
            "DROPSIGHT_INBOX": self.inbox,
            "DROPSIGHT_RESULTS": self.results,
        }
        return {**variables, "GOOGLE_GEMINI_BASE_URL": self.gemini} if self.gemini else variables


PROJECT = "dropsight-local"


def default_file(port_base: int) -> Path:
    """Return the file in which `up` leaves its endpoints for the commands of the same user."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(folder) / f"dropsight-{os.getuid()}-{port_base}.json"


def write_endpoints(file: Path, endpoints: Endpoints) -> None:
    """Write the file atomically, readable by its owner only, since it holds an API key."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(endpoints.model_dump(), handle, indent=2)
        handle.write("\n")
    draft.replace(file)


def read_endpoints(port_base: int) -> Endpoints:
    """Return the endpoints from the file that DROPSIGHT_READY_FILE names, else those of the system on `port_base`."""
    named = os.environ.get("DROPSIGHT_READY_FILE")
    file = Path(named) if named else default_file(port_base)
    if not file.exists():
        raise SystemExit(
            f"no local system is running on port base {port_base} ({file} is not there): start one with `dropsight up`"
        )
    return Endpoints.model_validate_json(file.read_text())
