"""Turn an input into the files to upload: the input itself, its conversion, or the files extracted from it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from functions.generate.lease import Lease
from shared.cloud.storage import StoredObject
from shared.converter import MAX_SECONDS, Converted
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.errors import TimeIsUp
from shared.domain.media import Facts
from shared.domain.media.conversions import conversion_warning, transcoded
from shared.examiner import Threaded, source_of_bytes
from shared.extractor import Extraction
from shared.sandbox import RangeSource

_SPARE_SECONDS = 120.0
"""How much of a dispatch's time a conversion leaves for the upload and the model's answer."""
_LEAST_SECONDS = 30.0

Opener = Callable[[], Awaitable[io.IOBase]]
"""Opens a file to upload; called for each try."""


class UploadPart(NamedTuple):
    """A file that the model gets."""

    facts: Facts
    """The facts of the file as it is sent."""
    open: Opener
    name: str
    notes: tuple[str, ...] = ()
    """Warnings for the task about conversions and omissions."""

    def without_bytes(self) -> UploadPart:
        """Return the part once it is uploaded: its bytes need not stay in memory while the service processes them."""
        return self._replace(open=_refuse_second_upload)


class ExaminedObject(NamedTuple):
    """An object, and what the examination of its content has shown."""

    stored: StoredObject
    facts: Facts


async def _refuse_second_upload() -> io.IOBase:
    raise AssertionError("the part is uploaded already")


def identities(source: str, parts: list[UploadPart]) -> list[str]:
    """Return a stable name for each file of an object, so that a context cache can be found again."""
    return [source, *(f"{source}#{number}" for number in range(1, len(parts)))]


async def parts_of_object(deps: GenerateDeps, lease: Lease, stored: StoredObject, facts: Facts) -> list[UploadPart]:
    """Return the files to upload for an object that was examined, in the order in which the model gets them."""
    if facts.media_type.preparation is None:

        async def open_object() -> io.IOBase:
            stream = deps.storage.open(stored, lease.stop)
            if facts.media_type.format != "text" or stored.size > media.WHOLE:
                return stream
            with stream:
                return io.BytesIO(await deps.storage.in_thread(partial(_text_of, stream, facts)))

        return [UploadPart(facts, open_object, stored.name)]
    source = Threaded(deps.storage.ranges(stored, b""), deps.storage.in_thread)
    return await prepared_parts(deps, lease, source, facts, stored.name)


async def parts_of_bytes(deps: GenerateDeps, lease: Lease, data: bytes, facts: Facts, name: str) -> list[UploadPart]:
    """Return the files to upload for bytes in memory that were examined and have to be prepared."""
    return await prepared_parts(deps, lease, source_of_bytes(data), facts, name)


async def prepared_parts(
    deps: GenerateDeps, lease: Lease, source: RangeSource, facts: Facts, name: str
) -> list[UploadPart]:
    """Return the files made from an input that cannot be sent unchanged. Raises `PermanentFailure`."""
    if facts.media_type.preparation == "transcode":
        return [_transcoded_part(deps, lease, source, facts, name)]
    extraction = await deps.extractor.extract(source, facts.media_type)
    parts = [UploadPart(part.facts, opener_of(part.data), f"{name} {part.title}".strip()) for part in extraction.parts]
    return [parts[0]._replace(notes=(_note(facts, extraction), *extraction.notes)), *parts[1:]]


def _note(facts: Facts, extraction: Extraction) -> str:
    """Return the task's warning that another file is sent in place of the input."""
    if facts.media_type.preparation == "render":
        count = len(extraction.parts)
        return conversion_warning(facts.media_type, "a PNG or JPEG image" if count == 1 else f"{count} images")
    files = len(extraction.parts) - 1
    beside = "" if not files else " and 1 picture or file" if files == 1 else f" and {files} pictures or files"
    return conversion_warning(facts.media_type, f"Markdown{beside}")


def opener_of(data: bytes) -> Opener:
    async def open_data() -> io.IOBase:
        return io.BytesIO(data)

    return open_data


def _transcoded_part(deps: GenerateDeps, lease: Lease, source: RangeSource, facts: Facts, name: str) -> UploadPart:
    """Return a recording or film that is converted at upload time, since an earlier claim may have uploaded it."""
    kept: list[Converted] = []
    sent = transcoded(facts.media_type)
    became = "MP4" if sent.family == "video" else "Opus in Ogg"

    async def open_converted() -> io.IOBase:
        seconds = _conversion_seconds(deps, lease)
        if not kept:
            kept.append(await deps.converter.convert(source, facts, seconds=seconds))
        return deps.converter.stream(source, facts, kept[0], seconds=seconds, stop=lease.stop)

    shown = facts.model_copy(update={"media_type": sent, "warnings": ()})
    return UploadPart(shown, open_converted, name, (conversion_warning(facts.media_type, became),))


def _conversion_seconds(deps: GenerateDeps, lease: Lease) -> float:
    """Return the seconds for one pass of a conversion. Raises `TimeIsUp` if the next dispatch has more to give."""
    most = min(MAX_SECONDS, max(_LEAST_SECONDS, (deps.settings.time_limit_seconds - _SPARE_SECONDS) / 2))
    if lease.seconds_left < min(most, deps.settings.time_limit_seconds / 2):
        raise TimeIsUp("too little time is left in this dispatch to convert the file")
    return most


def _text_of(stream: io.IOBase, facts: Facts) -> bytes:
    pieces = bytearray()
    while piece := stream.read(media.WHOLE):
        pieces += piece
    return as_sent(bytes(pieces), facts)


def as_sent(data: bytes, facts: Facts) -> bytes:
    """Return the bytes to send: text is converted to UTF-8. Takes up to 0.1 s, so call it in a thread."""
    if facts.media_type.format != "text":
        return data
    return media.in_utf_8(data, facts.media_type.encoding or "utf-8")
