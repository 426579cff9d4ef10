"""Write an object of unknown size while it arrives, in constant memory: one resumable upload, piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterable
from dataclasses import dataclass
from functools import partial

from google.api_core import exceptions as api_errors

from shared.cloud.object_upload import ObjectUpload
from shared.cloud.storage import Storage

_PIECE_BYTES = 4 << 20
"""Bytes sent at once: a multiple of 256 KiB, as resumable uploads want it. Smaller objects are written in one call."""
_AT_ONCE = 8
"""Uploads of one instance: each holds up to three pieces, so that all fit into 100 MiB. More wait for their turn."""


@dataclass(frozen=True)
class WrittenObject:
    bucket: str
    name: str
    generation: int
    size: int
    sha256: str

    @property
    def uri(self) -> str:
        return f"gs://{self.bucket}/{self.name}"


class ObjectWriter:
    """Writes streams into one bucket. Where a stream ends with an error, no object remains."""

    def __init__(self, storage: Storage, bucket: str) -> None:
        self._storage, self._bucket = storage, bucket
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def write(
        self,
        folder: str,
        pieces: AsyncIterable[bytes],
        *,
        content_type: str,
        name: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> WrittenObject:
        """Write the pieces as a new object in `folder`, under a random name unless one is given."""
        full_name = f"{folder}{name or secrets.token_hex(16)}"
        async with self._places:
            upload: ObjectUpload | None = None
            digest, size, gathered = hashlib.sha256(), 0, bytearray()
            try:
                async for piece in pieces:
                    digest.update(piece)
                    gathered += piece
                    size += len(piece)
                    if len(gathered) >= _PIECE_BYTES:
                        if upload is None:
                            upload = self._open(full_name, content_type, metadata)
                        await self._storage.in_thread(partial(upload.write, bytes(gathered)))
                        gathered.clear()
                if upload is None:
                    generation = await self._storage.write(
                        self._bucket, full_name, bytes(gathered), content_type, metadata=metadata
                    )
                else:
                    generation = await self._storage.in_thread(partial(upload.finish, bytes(gathered)))
            except BaseException:
                if upload is not None:
                    with contextlib.suppress(Exception):
                        # What cannot be ended now is forgotten by Cloud Storage after a week; it makes no object.
                        await asyncio.shield(self._storage.in_thread(upload.abort))
                raise
        assert generation is not None
        return WrittenObject(self._bucket, full_name, generation, size, digest.hexdigest())

    async def delete(self, written: WrittenObject) -> None:
        """Delete an object that is not needed after all; what cannot be deleted goes with the bucket's old objects."""
        with contextlib.suppress(Exception):
            await self._storage.delete(written.bucket, written.name)

    def _open(self, name: str, content_type: str, metadata: dict[str, str] | None) -> ObjectUpload:
        return self._storage.open_upload(
            self._bucket, name, content_type=content_type, piece_bytes=_PIECE_BYTES, metadata=metadata
        )


async def write_pieces(
    storage: Storage,
    bucket: str,
    name: str,
    pieces: AsyncIterable[bytes],
    content_type: str,
    *,
    if_generation: int,
    metadata: dict[str, str],
    disposition: str,
) -> int | None:
    """Write an object of unknown size. Return its generation, or None if `if_generation` did not hold."""
    upload = storage.open_upload(
        bucket,
        name,
        content_type=content_type,
        piece_bytes=_PIECE_BYTES,
        metadata=metadata,
        disposition=disposition,
        if_generation=if_generation,
    )
    try:
        async for piece in pieces:
            await storage.in_thread(partial(upload.write, piece))
        return await storage.in_thread(partial(upload.finish, b""))
    except BaseException as error:
        # Also where the condition did not hold: else the client sends the rest once more when it is collected.
        with contextlib.suppress(Exception):
            await asyncio.shield(storage.in_thread(upload.abort))
        if isinstance(error, api_errors.PreconditionFailed):
            return None
        raise
