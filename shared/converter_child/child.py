"""The function that the converter calls in its child process."""

from __future__ import annotations

import base64
from typing import Any

from shared.converter_child.films import convert_film
from shared.converter_child.output import Output, Patch
from shared.converter_child.pace import Pace
from shared.converter_child.sound import convert_sound
from shared.domain.media.facts import Facts
from shared.domain.media.random_access import DamagedError
from shared.examiner_child.files import ExaminedFile
from shared.examiner_child.opening import behind_tags, open_recording
from shared.sandbox_child import SourceFile


def convert(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Convert the recording or film that `source` reads, and emit it piece by piece.

    Returns how it was made, its size, and what is to be changed in what was emitted.
    """
    assert source is not None
    facts = Facts.model_validate(arguments["facts"])
    known: list[Patch] = [(at, base64.b64decode(data)) for at, data in arguments["patches"]]
    file = ExaminedFile(source.range, source.size, cached_bytes=12 << 20)
    output = Output(source.emit, known)
    opened = open_recording(file, behind_tags(file), facts.media_type.format)
    pace = Pace(facts.duration, arguments["seconds"])
    with opened.container:
        if facts.media_type.family == "video":
            became = convert_film(opened, output, pace)
        else:
            became = convert_sound(opened, output, pace)
    if file.unavailable:
        raise DamagedError("The file could not be read to its end.")
    output.finish()
    patches = [[at, base64.b64encode(data).decode()] for at, data in output.patches]
    return {"became": became, "size": output.size, "patches": patches}, b""
