"""From an object to a file that Gemini may use: what it truly is, whether it may be sent, and its upload."""

from __future__ import annotations

import io
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from functions.generate.lease import Lease
from functions.generate.postponement import warn_others
from shared.cloud.object_stream import StreamStopped
from shared.cloud.storage import StoredObject
from shared.domain import media
from shared.domain.errors import LeaseLost, PermanentFailure, Postponement, TransientFailure
from shared.domain.media import Facts, MediaType, RandomAccess, Refusal
from shared.domain.tasks.task import GeminiFile, Source, Task
from shared.examiner import Threaded
from shared.wiring import GenerateDeps

_UPLOAD_TRIES = 3
_HANDLE_MARGIN = timedelta(minutes=15)
"""A live handle must outlast the model's answer by this."""


async def live_object(deps: GenerateDeps, source: Source) -> StoredObject:
    """The source, if it is still the newest generation under its name."""
    found = await deps.storage.stat(source.bucket, source.name)
    if found is None:
        raise PermanentFailure("source_gone", f"{source.uri} was deleted before it could be read. Drop it again.")
    if found.generation != source.generation:
        newer = f"{source.uri} was overwritten by generation {found.generation}, which has a task of its own."
        raise PermanentFailure("source_superseded", newer)
    return found


async def readable_object(deps: GenerateDeps, source: Source, stop: threading.Event) -> StoredObject:
    """As `live_object`, and as what it holds."""
    return await deps.storage.readable(await live_object(deps, source), stop)


async def examine(deps: GenerateDeps, found: StoredObject) -> Facts:
    """What the object truly is; raises the refusal where it may not be sent. `found` as `Storage.readable` gives it."""
    kind, head = await deps.storage.in_thread(partial(_identified, deps.storage.ranges(found, b""), found))
    source = Threaded(deps.storage.ranges(found, head), deps.storage.in_thread)
    facts = await deps.examiner.examine(source, kind)
    if refusal := media.check(facts):
        raise PermanentFailure(refusal.code, refusal.message)
    return facts


def _identified(source: RandomAccess, found: StoredObject) -> tuple[MediaType, bytes]:
    """The object's type, and its first bytes."""
    head = source.read(0, media.HEAD)
    kind = media.identify(source, found.name, found.content_type, head)
    if isinstance(kind, Refusal):
        raise PermanentFailure(kind.code, kind.message)
    if refusal := media.check_size(found.size, pdf=kind.family == "pdf"):
        raise PermanentFailure(refusal.code, refusal.message)
    return kind, head


def remarks(facts: Facts) -> list[str]:
    """What the one who dropped or named the file should know of it."""
    return [*([facts.media_type.mismatch] if facts.media_type.mismatch else []), *facts.warnings]


async def hand_over(
    deps: GenerateDeps, lease: Lease, found: StoredObject, facts: Facts, *, index: int = 0
) -> GeminiFile:
    """An object as an ACTIVE file: the live handle that an earlier claim left, or a fresh upload."""

    async def opened() -> io.IOBase:
        stream = deps.storage.open(found, lease.stop)
        if facts.media_type.family != "text" or found.size > media.WHOLE:
            return stream
        with stream:
            return io.BytesIO(await deps.storage.in_thread(partial(_text_of, stream, facts)))

    mime = facts.media_type.mime
    return await hand_over_stream(deps, lease, opened, mime, name=found.name, index=index, source=found.identity)


def _text_of(stream: io.IOBase, facts: Facts) -> bytes:
    pieces = bytearray()
    while piece := stream.read(media.WHOLE):
        pieces += piece
    return as_sent(bytes(pieces), facts)


def as_sent(data: bytes, facts: Facts) -> bytes:
    """The file as Gemini reads it: a text in UTF-8. Takes up to a tenth of a second, so it is for threads."""
    if facts.media_type.family != "text":
        return data
    return media.in_utf_8(data, facts.media_type.encoding or "utf-8")


Opener = Callable[[], Awaitable[io.IOBase]]
"""Opens an input, anew for each try."""


async def hand_over_stream(
    deps: GenerateDeps, lease: Lease, opener: Opener, mime: str, *, name: str, index: int, source: str = ""
) -> GeminiFile:
    """As `hand_over`, for an input from anywhere. What is uploaded is noted at once: a later claim goes on with it."""
    try:
        file = live_handle(deps, lease, index, source)
        if file is None:
            file = await _upload(deps, lease, opener, mime, name=name, index=index, source=source)
            _note(lease, file)
    except Postponement as refusal:
        await warn_others(deps, lease.model, refusal)
        raise
    return await activated(deps, lease, file)


async def activated(deps: GenerateDeps, lease: Lease, file: GeminiFile) -> GeminiFile:
    """The file once the service has finished processing it."""
    if file.active:
        return file
    active = await deps.gemini.activated(file)
    _note(lease, active)
    return active


def live_handle(deps: GenerateDeps, lease: Lease, index: int, source: str = "") -> GeminiFile | None:
    """What an earlier claim uploaded of this input, if it lives for long enough."""
    for file in lease.files:
        if (file.input, file.source) == (index, source) and file.expires_at - _HANDLE_MARGIN > deps.clock.now():
            return file
    return None


def _note(lease: Lease, file: GeminiFile) -> None:
    lease.files = (*(known for known in lease.files if known.input != file.input), file)
    lease.gained = True


async def _upload(
    deps: GenerateDeps, lease: Lease, opener: Opener, mime: str, *, name: str, index: int, source: str
) -> GeminiFile:
    for letter in "abc"[:_UPLOAD_TRIES]:
        stream = await opener()
        try:
            return await deps.gemini.upload(
                stream,
                file_id=file_id(deps.settings.environment, lease.task, index, lease.token) + letter,
                mime_type=mime,
                display_name=name,
                input=index,
                source=source,
            )
        except StreamStopped as error:
            raise LeaseLost("the upload was stopped") from error
        except TransientFailure:
            if letter == "abc"[_UPLOAD_TRIES - 1]:
                raise
        finally:
            stream.close()
    raise AssertionError("unreachable: the last try raises")


def file_id(tag: str, task: Task, index: int, token: int) -> str:
    """`{environment tag}-{task key}-{input}-{claim}`; each claim uses its own, since a name may stay taken."""
    return f"{tag}-{task.key}-{index}-{token}"


def own_names(tag: str, task: Task, inputs: int = 1) -> list[str]:
    """Every name under which the latest claims of a task may have uploaded."""
    newest = range(max(1, task.token - 4), task.token + 1)
    return [
        f"files/{file_id(tag, task, index, token)}{letter}"
        for index in range(inputs)
        for token in newest
        for letter in "abc"[:_UPLOAD_TRIES]
    ]
