"""The upload protocol: resumable sessions (start, upload, query, cancel, finalize), and uploads in one request."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import FILE_BYTES, KEPT_SECONDS, FileStore, StoredFile, read_record
from local.standins.gemini.media import Media
from local.standins.gemini.prober import Prober
from shared.clock import Clock

GRANULARITY = 256 * 1024
"""Every chunk but the last is a multiple of this many bytes."""
_BLOCK_BYTES = 1 << 20
"""Bytes that are gathered before a thread writes them; an upload holds two such blocks in memory."""
_SMALL_BYTES = 64 << 10
"""Bytes that are written and read on the event loop: that takes less time than the way to a thread and back."""
_AHEAD_SECONDS = 0.005
"""How far an upload may be ahead of its link before it waits: waiting for each piece costs more than it tells."""
_VIDEO_SECONDS = 0.5
"""How long a video is PROCESSING unless the behaviour says otherwise."""


class Session(BaseModel):
    """An upload that was started. `size` is what the start announced, None when it did not."""

    model_config = ConfigDict(frozen=True)

    id: str
    file_id: str
    display_name: str | None
    mime_type: str
    size: int | None
    started: float
    cancelled: bool = False


class Uploads:
    """Upload sessions, each stored as `uploads/ID.json` beside `uploads/ID`, the bytes received so far.

    A session that is not finalized reserves its file's name, as in the service: another start with that name answers
    409, although no such file is listed.
    """

    def __init__(self, folder: Path, clock: Clock, files: FileStore, prober: Prober) -> None:
        self._prober = prober
        self._folder = folder / "uploads"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clock, self._files = clock, files
        self._sessions: dict[str, Session] = {}
        self._busy: set[str] = set()
        self._digests: dict[str, _Digest] = {}
        for record in self._folder.glob("*.json"):
            session = read_record(record, Session)
            if session.file_id in files:
                self._remove(session)
            else:
                self._sessions[session.id] = session

    def start(self, file_id: str | None, display_name: str | None, mime_type: str, size: int | None) -> Session:
        self._expire()
        if file_id is not None and (file_id in self._files or self._session_of_file(file_id) is not None):
            raise ApiError(409, f"Requested entity already exists: file files/{file_id}", "ALREADY_EXISTS")
        self._files.check_quota(size or 0)
        session = Session(
            id=secrets.token_urlsafe(48),
            file_id=file_id or self._files.new_id(),
            display_name=display_name,
            mime_type=mime_type,
            size=size,
            started=self._clock.time(),
        )
        self._content(session).touch()
        self._save(session)
        return session

    def get(self, session_id: str) -> Session:
        self._expire()
        if (session := self._sessions.get(session_id)) is None:
            raise ApiError(404, "Upload not found: it was finalized already, has expired, or never existed.")
        if session.cancelled:
            raise ApiError(499, "The upload was cancelled.", "CANCELLED")
        return session

    def received(self, session: Session) -> int:
        return self._content(session).stat().st_size

    def cancel(self, session: Session) -> None:
        """Cancel a session: its bytes are deleted, its name stays reserved."""
        self._save(session.model_copy(update={"cancelled": True}))
        self._content(session).write_bytes(b"")

    async def append(
        self, session: Session, offset: int, body: AsyncIterator[bytes], behaviour: Behaviour, last: bool
    ) -> None:
        """Write a chunk at `offset` as it arrives. If the connection breaks, the bytes received so far stay."""
        async with self._exclusively(session):
            received = self.received(session)
            if offset != received:
                raise invalid(f"The offset {offset} does not match the {received} bytes received so far.")
            total = received + await self._write_block(session, offset, body, behaviour)
            if session.size is not None and total > session.size:
                raise invalid(f"Received {total} bytes, more than the {session.size} that the upload announced.")
            if not last and (total - offset) % GRANULARITY:
                await asyncio.to_thread(os.truncate, self._content(session), offset)
                raise invalid(
                    f"The chunk's {total - offset} bytes are not a multiple of the chunk granularity, {GRANULARITY}."
                )

    async def finalize(self, session: Session, behaviour: Behaviour) -> StoredFile:
        async with self._exclusively(session):
            content, size = self._content(session), self.received(session)
            if session.size is not None and size < session.size:
                raise invalid(f"The upload was finalized after {size} bytes; {session.size} were announced.")
            self._files.check_quota(size)
            if size <= _SMALL_BYTES and self._prober.is_quick(session.mime_type):
                digest, media = self._digest(session).of(content), self._prober.of_file(content, session.mime_type)
            else:
                digest, media = await asyncio.gather(
                    asyncio.to_thread(self._digest(session).of, content),
                    asyncio.to_thread(self._prober.of_file, content, session.mime_type),
                )
            if behaviour.fail_processing:
                media = media.model_copy(update={"error": "The file failed to be processed."})
            stored = self._to_stored_file(session, size, digest, media, behaviour)
            self._files.add(stored, content)
            self._remove(session)
            return stored

    def _to_stored_file(
        self, session: Session, size: int, digest: str, media: Media, behaviour: Behaviour
    ) -> StoredFile:
        now = self._clock.time()
        usual = _VIDEO_SECONDS if media.kind == "video" else 0.0
        return StoredFile(
            id=session.file_id,
            display_name=session.display_name,
            mime_type=session.mime_type,
            size=size,
            sha256=base64.b64encode(digest.encode()).decode(),
            created=now,
            ready=now + (usual if behaviour.processing is None else behaviour.processing),
            media=media,
        )

    async def _write_block(
        self, session: Session, offset: int, body: AsyncIterator[bytes], behaviour: Behaviour
    ) -> int:
        began, received, due = self._clock.time(), 0, 0.0
        with self._content(session).open("r+b", buffering=0) as out:
            out.seek(offset)
            writer = _BlockWriter(out, self._digest(session), offset)
            try:
                async for piece in body:
                    received += len(piece)
                    await writer.add(piece)
                    if offset + received > FILE_BYTES:
                        self._files.check_quota(offset + received)
                    if behaviour.link_mib_s is not None:
                        due = began + received / (behaviour.link_mib_s * 1024**2)
                        if due - self._clock.time() > _AHEAD_SECONDS:
                            await self._clock.sleep_until(due)
            finally:
                await writer.close()
        await self._clock.sleep_until(due)
        return received

    def _digest(self, session: Session) -> _Digest:
        return self._digests.setdefault(session.id, _Digest())

    @contextlib.asynccontextmanager
    async def _exclusively(self, session: Session) -> AsyncIterator[None]:
        if session.id in self._busy:
            raise ApiError(409, "Another request to this upload is still under way.", "ABORTED")
        self._busy.add(session.id)
        try:
            yield
        finally:
            self._busy.discard(session.id)

    def _session_of_file(self, file_id: str) -> Session | None:
        return next((session for session in self._sessions.values() if session.file_id == file_id), None)

    def _content(self, session: Session) -> Path:
        return self._folder / session.id

    def _save(self, session: Session) -> None:
        draft = self._folder / f"{session.id}.draft"
        draft.write_text(session.model_dump_json())
        draft.rename(self._folder / f"{session.id}.json")
        self._sessions[session.id] = session

    def _remove(self, session: Session) -> None:
        (self._folder / f"{session.id}.json").unlink(missing_ok=True)
        self._content(session).unlink(missing_ok=True)
        self._sessions.pop(session.id, None)
        self._digests.pop(session.id, None)

    def _expire(self) -> None:
        now = self._clock.time()
        for session in [candidate for candidate in self._sessions.values() if candidate.started + KEPT_SECONDS <= now]:
            self._remove(session)


class _BlockWriter:
    """Writes bytes to disk: a thread writes and hashes one block while the next one is gathered."""

    def __init__(self, out: io.FileIO, digest: _Digest, position: int) -> None:
        self._out, self._digest, self._position = out, digest, position
        self._block = bytearray()
        self._writing: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        self._block += piece
        if len(self._block) >= _BLOCK_BYTES:
            await self._start_write()

    async def close(self) -> None:
        if self._writing is None and len(self._block) <= _SMALL_BYTES:
            self._write_block(self._block)
            return
        await self._start_write()
        await self._wait_for_write()

    async def _start_write(self) -> None:
        await self._wait_for_write()
        block, self._block = self._block, bytearray()
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._write_block, block))

    async def _wait_for_write(self) -> None:
        if self._writing is not None:
            await self._writing
            self._writing = None

    def _write_block(self, block: bytearray) -> None:
        left = memoryview(block)
        try:
            while left:
                left = left[self._out.write(left) :]
        except OSError:
            # What the caller is not told of must not count as received.
            self._out.truncate(self._position)
            raise
        finally:
            left.release()
        self._digest.update(self._position, block)
        self._position += len(block)


class _Digest:
    """The SHA-256 of bytes as they arrive; computed from the file if they did not arrive in order."""

    def __init__(self) -> None:
        self._sha256, self._position = hashlib.sha256(), 0

    def update(self, offset: int, block: bytes | bytearray) -> None:
        if offset == self._position:
            self._sha256.update(block)
            self._position += len(block)
        else:
            self._position = -1

    def of(self, content: Path) -> str:
        """Return the digest in hex; `content` is the file with all the bytes."""
        if self._position == content.stat().st_size:
            return self._sha256.hexdigest()
        with content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
