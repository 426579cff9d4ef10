"""The files of a project as the Files API keeps them: on disk, for 48 hours, at most 20 GB."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from local.standins.database import Damaged
from local.standins.gemini.errors import ApiError, invalid, no_such_file
from local.standins.gemini.media import Media
from shared.clock import Clock

KEPT_SECONDS = 48 * 3600
"""Uploaded files are deleted 48 hours after their creation."""
FILE_BYTES = 2 * 1024**3
"""The largest file: 2 GB."""
_PROJECT_BYTES = 20 * 1024**3
"""All files of a project together: 20 GB."""

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

Record = TypeVar("Record", bound=BaseModel)
State = Literal["PROCESSING", "ACTIVE", "FAILED"]


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def checked_id(name: str) -> str:
    """Return the id in a file name that the caller chose, `files/ID` or `ID`. Raises ApiError for a malformed one."""
    file_id = name.removeprefix("files/")
    if not _ID.fullmatch(file_id):
        raise invalid(
            f"* CreateFileRequest.file.name: Invalid resource name {name!r}: a file ID may have up to 40 characters, "
            "lowercase letters, digits and dashes (-), and can't begin or end with a dash."
        )
    return file_id


class StoredFile(BaseModel):
    """A file whose upload was finalized. Moments are seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    id: str
    display_name: str | None
    mime_type: str
    size: int
    sha256: str
    created: float
    ready: float
    """When the file leaves PROCESSING."""
    media: Media

    @property
    def expires(self) -> float:
        return self.created + KEPT_SECONDS

    def state(self, now: float) -> State:
        if now < self.ready:
            return "PROCESSING"
        return "FAILED" if self.media.error else "ACTIVE"


def read_record(file: Path, kind: type[Record]) -> Record:
    """Read a stored record. Raises Damaged instead of skipping it: unlisted bytes would be removed."""
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise Damaged(file, f"it holds no {kind.__name__}") from error


class FileStore:
    """Finalized files, each as `files/ID` (the bytes) and `files/ID.json`. What a process kill leaves is read again."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / "files"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self.capacity = _PROJECT_BYTES
        """Bytes that the project's files may hold together."""
        self._files: dict[str, StoredFile] = {}
        for record in self._folder.glob("*.json"):
            stored = read_record(record, StoredFile)
            self._files[stored.id] = stored
        for content in self._folder.iterdir():
            if content.suffix != ".json" and content.name not in self._files:
                content.unlink()

    def path(self, file_id: str) -> Path:
        return self._folder / file_id

    def __contains__(self, file_id: str) -> bool:
        self._expire()
        return file_id in self._files

    def get(self, file_id: str) -> StoredFile:
        self._expire()
        if (stored := self._files.get(file_id)) is None:
            raise no_such_file(file_id)
        return stored

    def newest_first(self) -> list[StoredFile]:
        self._expire()
        return sorted(self._files.values(), key=lambda stored: (-stored.created, stored.id))

    def new_id(self) -> str:
        while (file_id := "".join(secrets.choice(_ALPHABET) for _ in range(12))) in self._files:
            pass
        return file_id

    def delete(self, file_id: str) -> None:
        self.get(file_id)
        self._forget(file_id)

    def check_quota(self, size: int) -> None:
        """Raise the service's refusal when a file of `size` bytes is too large or does not fit into the project."""
        if size > FILE_BYTES:
            raise invalid(
                f"Request is too large: the file's {size} bytes exceed the limit of {FILE_BYTES} bytes (2 GB) per file."
            )
        self._expire()
        if sum(stored.size for stored in self._files.values()) + size > self.capacity:
            raise _storage_full(self.capacity)

    def add(self, stored: StoredFile, content: Path) -> None:
        """Take over `content` (it is moved) as the bytes of `stored`."""
        content.rename(self.path(stored.id))
        record = self._folder / f"{stored.id}.json"
        draft = record.with_suffix(".draft")
        draft.write_text(stored.model_dump_json())
        draft.rename(record)
        self._files[stored.id] = stored

    def _forget(self, file_id: str) -> None:
        (self._folder / f"{file_id}.json").unlink(missing_ok=True)
        self.path(file_id).unlink(missing_ok=True)
        del self._files[file_id]

    def _expire(self) -> None:
        now = self._clock.time()
        for file_id in [stored.id for stored in self._files.values() if stored.expires <= now]:
            self._forget(file_id)


def _storage_full(capacity: int) -> ApiError:
    quota = {"quotaMetric": "generativelanguage.googleapis.com/file_storage_bytes", "quotaId": "FileStorageBytes"}
    detail = {
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{**quota, "quotaValue": str(capacity)}],
    }
    message = f"You have exceeded the file storage quota: file_storage_bytes is limited to {capacity} per project."
    return ApiError(429, message, details=[detail])


def resource(stored: StoredFile, now: float, base: str) -> dict[str, Any]:
    """Return the API's File resource; `base` is the URL at which the caller reached the service."""
    answer: dict[str, Any] = {
        "name": f"files/{stored.id}",
        "mimeType": stored.mime_type,
        "sizeBytes": str(stored.size),
        "createTime": timestamp(stored.created),
        "updateTime": timestamp(stored.created if now < stored.ready else max(stored.created, stored.ready)),
        "expirationTime": timestamp(stored.expires),
        "sha256Hash": stored.sha256,
        "uri": f"{base}/v1beta/files/{stored.id}",
        "state": stored.state(now),
        "source": "UPLOADED",
    }
    if stored.display_name is not None:
        answer["displayName"] = stored.display_name
    if answer["state"] == "FAILED":
        answer["error"] = {"code": 3, "message": stored.media.error}
    if answer["state"] == "ACTIVE" and stored.media.kind == "video":
        answer["videoMetadata"] = {"videoDuration": f"{stored.media.duration:.9g}s"}
    return answer
