"""What does the file say about itself, and is it whole? Reads only what it needs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import assert_never

from shared.domain.media.facts import Facts
from shared.domain.media.kinds import Format, MediaType
from shared.domain.media.reading import DamagedError, OutOfReadsError, RandomAccess, Window
from shared.domain.media.wav import probe_aiff, probe_wav

Parser = Callable[[Window, Facts], Facts]

_READS = 16
_READS_OF_A_PDF = 64


def probe(source: RandomAccess, media_type: MediaType) -> Facts:
    """Facts of a file that was sniffed as `media_type`. Raises nothing of its own: damage is `Facts.problem`.

    At most 16 reads of at most 1 MiB; up to 64 for a PDF, whose page count can be anywhere.
    """
    facts = Facts(media_type=media_type, size=source.size)
    if source.size == 0:
        return facts.model_copy(update={"problem": "The file is empty (0 bytes)."})
    window = Window(source, _READS_OF_A_PDF if media_type.format == "pdf" else _READS)
    try:
        return _parser(media_type.format)(window, facts)
    except DamagedError as damage:
        return facts.model_copy(update={"problem": str(damage)})
    except OutOfReadsError:
        return facts.model_copy(
            update={"warnings": (*facts.warnings, "The file is laid out so that its length could not be told.")}
        )
    except (struct.error, ValueError, ArithmeticError, LookupError):
        problem = f"The file should be {media_type.label}, but its structure cannot be read: it is damaged."
        return facts.model_copy(update={"problem": problem})


def _parser(layout: Format) -> Parser:
    match layout:
        case "wav":
            return probe_wav
        case "aiff":
            return probe_aiff
        case (
            "flac" | "mpeg-audio" | "adts" | "ogg" | "mp4" | "matroska" | "avi" | "flv" | "mpeg" | "asf"
            | "png" | "jpeg" | "webp" | "heif" | "pdf" | "text"
        ):  # fmt: skip
            return lambda window, facts: facts
        case _:
            assert_never(layout)
