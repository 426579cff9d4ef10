"""What Terraform deploys, read from the files that it reads too: sizes, time limits, queue retries and grants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

TERRAFORM = Path(__file__).resolve().parents[1] / "terraform"


class FunctionSize(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    concurrency: int
    """Requests at once per instance."""
    max_instances: int
    timeout_seconds: int


class QueueRetry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    max_attempts: int
    max_retry_seconds: float | None = None
    min_backoff_seconds: float
    max_backoff_seconds: float
    max_doublings: int


class StorageGrant(BaseModel):
    """A role on `inboxes` (`document_inboxes`: those that take documents), `requests`, `results` or `source`.

    `under`: only on names of that prefix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    account: str
    bucket: str
    role: str
    under: str | None = None


def read_function_sizes() -> dict[str, FunctionSize]:
    return {name: FunctionSize.model_validate(size) for name, size in _read("sizes.json")["functions"].items()}


def read_queue_retries() -> dict[str, QueueRetry]:
    return {name: QueueRetry.model_validate(retry) for name, retry in _read("sizes.json")["queues"].items()}


def read_storage_grants() -> list[StorageGrant]:
    return [StorageGrant.model_validate(grant) for grant in _read("storage_grants.json")]


def _read(name: str) -> Any:
    return json.loads((TERRAFORM / name).read_text())
