"""The function that the examiner calls in its child process."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from shared.domain.media.facts import Facts
from shared.domain.media.iso_bmff import probe_heif
from shared.domain.media.kinds import Format
from shared.domain.media.pictures import probe_jpeg, probe_png, probe_webp
from shared.domain.media.random_access import DamagedError, InMemory, Window
from shared.examiner_child.files import ExaminedFile, Ranges
from shared.sandbox_child import SourceFile

_UNSEEN = "How long the file is could not be told."
_PICTURES: dict[Format, Callable[[Window, Facts], Facts]] = {
    "png": probe_png, "jpeg": probe_jpeg, "webp": probe_webp, "heif": probe_heif,
}  # fmt: skip


def examine(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Return the `Facts` of a sniffed file as JSON. The file is `payload`, or `source` reads it by ranges."""
    facts = Facts.model_validate(arguments["facts"])
    if source is None:
        file = ExaminedFile(InMemory(payload).read, len(payload))
    else:
        file = ExaminedFile(source.range, source.size)
    return _examined(file, facts, arguments["whole_bytes"]).model_dump(mode="json"), b""


def _examined(file: ExaminedFile, facts: Facts, whole_bytes: int) -> Facts:
    try:
        examined = _looked_into(file, facts, whole_bytes)
    except DamagedError as damage:
        examined = facts.model_copy(update={"problem": str(damage)})
    except (struct.error, ValueError, ArithmeticError, LookupError, OSError) as error:
        if isinstance(error, OSError) and not file.unavailable:
            raise
        label = facts.media_type.label
        problem = f"The file should be {label}, but its structure cannot be read: it is damaged."
        examined = facts.model_copy(update={"problem": problem})
    if not file.unavailable:
        return examined
    # A range that could not be read says nothing about the file.
    examined = examined if examined.problem is None else facts
    measured = facts.media_type.family == "image" or examined.duration is not None
    return examined.model_copy(update={"warnings": (*examined.warnings, *(() if measured else (_UNSEEN,)))})


def _looked_into(file: ExaminedFile, facts: Facts, whole_bytes: int) -> Facts:
    # Each library is loaded by the first file that needs it.
    layout = facts.media_type.format
    window = Window(Ranges(file))
    if layout in _PICTURES:
        return _PICTURES[layout](window, facts)
    if layout == "pdf":
        from shared.examiner_child.documents import examine_document

        return examine_document(file, window, facts)
    from shared.examiner_child.recordings import examine_recording

    return examine_recording(file, facts, whole_bytes)
