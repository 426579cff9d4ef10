"""A resumable upload of an object whose bytes come in pieces, and how often calls to Cloud Storage are retried."""

from __future__ import annotations

from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]
from google.cloud.storage.retry import DEFAULT_RETRY

RETRY_SECONDS = 5.0
"""Retries bridge short failures. For longer ones the task is put off, which needs no lease."""
RETRY = DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


class ObjectUpload:
    """A resumable upload of one object, for a thread. Nothing is visible before `finish`."""

    def __init__(self, blob: storage.Blob, content_type: str, piece_bytes: int, if_generation: int | None) -> None:
        self._blob = blob
        self._writer = blob.open(
            "wb",
            chunk_size=piece_bytes,
            content_type=content_type,
            checksum="crc32c",
            if_generation_match=if_generation,
            retry=RETRY,
        )

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def finish(self, rest: bytes) -> int:
        """Write the rest and end the upload. Return the object's generation."""
        self._writer.write(rest)
        self._writer.close()
        self._blob.reload(retry=RETRY)
        return int(self._blob.generation)

    def abort(self) -> None:
        self._writer.terminate()
