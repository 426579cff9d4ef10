"""Examine objects and upload them to the Files API."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

from functions.generate.lease import Lease
from functions.generate.postponement import leave_throttle_note
from functions.generate.question.parts import Opener, UploadPart
from shared.cloud.object_stream import StreamStopped
from shared.cloud.storage import StoredObject
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.errors import LeaseLost, PermanentFailure, Postponement, TransientFailure
from shared.domain.media import Facts, MediaType, RandomAccess, Refusal
from shared.domain.tasks.task import GeminiFile, Source, Task
from shared.examiner import Threaded

_UPLOAD_TRIES = 3
_SMALL_REQUEST = 1 << 20
"""Bytes: a longer request is in memory while its files are processed, so it keeps its slot."""
_HANDLE_MARGIN = timedelta(minutes=15)
"""An uploaded file is reused only if it lives for at least this much longer."""


async def require_live_object(deps: GenerateDeps, source: Source) -> StoredObject:
    """Return the source object. Raises `PermanentFailure` if it was deleted or overwritten."""
    stored = await deps.storage.stat(source.bucket, source.name)
    if stored is None:
        raise PermanentFailure("source_gone", f"{source.uri} was deleted before it could be read. Drop it again.")
    if stored.generation != source.generation:
        newer = f"{source.uri} was overwritten by generation {stored.generation}, which has a task of its own."
        raise PermanentFailure("source_superseded", newer)
    return stored


async def readable_object(deps: GenerateDeps, source: Source, stop: threading.Event) -> StoredObject:
    """Return the source object as `require_live_object` does, ready to be read unpacked."""
    return await deps.storage.readable(await require_live_object(deps, source), stop)


async def examine_object(deps: GenerateDeps, stored: StoredObject, *, divisible: bool = False) -> Facts:
    """Examine an object that `Storage.readable` returned. Raises `PermanentFailure` if it cannot be sent.

    A `divisible` object may be too long for one call: the caller splits or refuses it.
    """
    ranges = deps.storage.ranges(stored, await deps.storage.small_content(stored))
    kind, head = await deps.storage.in_thread(partial(_identified, ranges, stored, divisible=divisible))
    source = Threaded(deps.storage.ranges(stored, head), deps.storage.in_thread)
    facts = await deps.examiner.examine(source, kind)
    (media.check_soundness if divisible else media.check)(facts)
    return facts


def _identified(source: RandomAccess, stored: StoredObject, *, divisible: bool) -> tuple[MediaType, bytes]:
    """Return the object's type and its first bytes."""
    head = source.read(0, media.HEAD)
    kind = media.identify(source, stored.name, stored.content_type, head)
    if isinstance(kind, Refusal):
        raise PermanentFailure(kind.code, kind.message)
    media.check_size(stored.size, pdf=kind.family == "pdf" and not divisible)
    return kind, head


async def identify_object(
    deps: GenerateDeps, bucket: str, name: str, generation: int | None
) -> tuple[Threaded, MediaType] | None:
    """Return an object of this generation (None: any) as a source, and its type; None if there is no such file.

    Raises `SourceVanished` or `PermanentFailure` where it cannot be read.
    """
    stored = await deps.storage.stat(bucket, name)
    if stored is None or generation not in (None, stored.generation):
        return None
    stored = await deps.storage.readable(stored, threading.Event())
    ranges = deps.storage.ranges(stored, b"")
    kind = await deps.storage.in_thread(partial(media.identify, ranges, stored.name, stored.content_type))
    return None if isinstance(kind, Refusal) else (Threaded(ranges, deps.storage.in_thread), kind)


def file_warnings(facts: Facts) -> list[str]:
    """Return sentences about the file that the user should know."""
    return [*([facts.media_type.mismatch] if facts.media_type.mismatch else []), *facts.warnings]


async def upload_part(
    deps: GenerateDeps, lease: Lease, part: UploadPart, *, index: int, source: str = ""
) -> GeminiFile:
    """Return the uploaded file of a part: an earlier claim's, or a new upload.

    It may not be ACTIVE yet. Free the part's bytes before you call `wait_until_active`.
    """
    mime = part.facts.media_type.mime
    return await upload_stream(deps, lease, part.open, mime, name=part.name, index=index, source=source)


async def upload_stream(
    deps: GenerateDeps, lease: Lease, opener: Opener, mime: str, *, name: str, index: int, source: str = ""
) -> GeminiFile:
    """Return the file of an input from any source, as `upload_part` does. It is recorded for later claims at once."""
    file = find_uploaded_file(deps, lease, index, source)
    if file is not None:
        return file
    try:
        file = await _upload(deps, lease, opener, mime, name=name, index=index, source=source)
    except Postponement as refusal:
        await leave_throttle_note(deps, lease.model, refusal)
        raise
    _note(lease, file)
    return file


async def wait_until_active(deps: GenerateDeps, lease: Lease, file: GeminiFile) -> GeminiFile:
    """Wait until the service has processed the file, and return it. Meanwhile other tasks may use the slot."""
    if file.active:
        lease.ledger = lease.ledger.with_seconds("file_processing", 0)
        return file
    slot = lease.slot if lease.task.source.kind == "object" or lease.task.source.size <= _SMALL_REQUEST else None
    given_back = slot is not None and slot.give_back()
    with lease.timed("file_processing"):
        active = await deps.gemini.wait_until_active(file)
    _note(lease, active)
    if slot is not None and given_back:
        await slot.take()
    return active


def find_uploaded_file(deps: GenerateDeps, lease: Lease, index: int, source: str = "") -> GeminiFile | None:
    """Return the file that an earlier claim uploaded for this input, if it lives long enough."""
    for file in lease.files:
        if (file.input, file.source) == (index, source) and file.expires_at - _HANDLE_MARGIN > deps.clock.now():
            return file
    return None


def _note(lease: Lease, file: GeminiFile) -> None:
    lease.files = (*(earlier for earlier in lease.files if earlier.input != file.input), file)
    lease.gained = True


async def _upload(
    deps: GenerateDeps, lease: Lease, opener: Opener, mime: str, *, name: str, index: int, source: str
) -> GeminiFile:
    for letter in "abc"[:_UPLOAD_TRIES]:
        stream = await opener()
        try:
            with lease.timed("upload"):
                uploaded = await deps.gemini.upload(
                    stream,
                    file_id=file_id(deps.settings.environment, lease.task, index, lease.token) + letter,
                    mime_type=mime,
                    display_name=name,
                    input=index,
                    source=source,
                )
            lease.ledger = lease.ledger.with_upload(stream.tell())
            return uploaded
        except StreamStopped as error:
            raise LeaseLost("the upload was stopped") from error
        except TransientFailure:
            if letter == "abc"[_UPLOAD_TRIES - 1]:
                raise
        finally:
            stream.close()
    raise AssertionError("unreachable: the last try raises")


def file_id(tag: str, task: Task, index: int, token: int) -> str:
    """Return `{environment tag}-{task key}-{input}-{claim}`. Each claim has its own name: old ones may stay in use."""
    return f"{tag}-{task.key}-{index}-{token}"


def own_names(tag: str, task: Task, inputs: int = 1) -> list[str]:
    """Return every name under which the latest claims of a task may have uploaded files."""
    newest = range(max(1, task.token - 4), task.token + 1)
    return [
        f"files/{file_id(tag, task, index, token)}{letter}"
        for index in range(inputs)
        for token in newest
        for letter in "abc"[:_UPLOAD_TRIES]
    ]
