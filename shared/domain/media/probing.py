"""What does the file say about itself, and is it whole? Reads only what it needs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import assert_never

from shared.domain.media.facts import Facts
from shared.domain.media.flac import probe_flac
from shared.domain.media.iso import probe_heif, probe_mp4
from shared.domain.media.kinds import Format, MediaType
from shared.domain.media.matroska import probe_matroska
from shared.domain.media.mpeg_audio import probe_adts, probe_mpeg_audio
from shared.domain.media.ogg import probe_ogg
from shared.domain.media.old_video import probe_asf, probe_avi, probe_flv, probe_mpeg
from shared.domain.media.pdf import probe_pdf
from shared.domain.media.pictures import probe_jpeg, probe_png, probe_webp
from shared.domain.media.reading import DamagedError, OutOfReadsError, RandomAccess, Window
from shared.domain.media.text_whole import encoding_note
from shared.domain.media.wav import probe_aiff, probe_wav

Parser = Callable[[Window, Facts], Facts]

_READS = 16
_LONGEST = 31 * 24 * 3600
"""Seconds. Far beyond every limit: what claims more is damaged, not too long."""
_READS_OF_A_PDF = 64


def probe(source: RandomAccess, media_type: MediaType, head: bytes = b"") -> Facts:
    """Facts of a file that was sniffed as `media_type`. Raises nothing of its own: damage is `Facts.problem`.

    At most 16 reads of at most 1 MiB; up to 64 for a PDF, whose page count can be anywhere. `head`, the bytes that
    were sniffed, spares one.
    """
    facts = Facts(media_type=media_type, size=source.size)
    if source.size == 0:
        return facts.model_copy(update={"problem": "The file is empty (0 bytes)."})
    window = Window(source, _READS_OF_A_PDF if media_type.format == "pdf" else _READS, head)
    try:
        return _plausible(_parser(media_type.format)(window, facts))
    except DamagedError as damage:
        return facts.model_copy(update={"problem": str(damage)})
    except OutOfReadsError:
        if media_type.family == "image":
            return facts
        return facts.model_copy(update={"warnings": (*facts.warnings, "How long the file is could not be told.")})
    except (struct.error, ValueError, ArithmeticError, LookupError):
        problem = f"The file should be {media_type.label}, but its structure cannot be read: it is damaged."
        return facts.model_copy(update={"problem": problem})


def _plausible(facts: Facts) -> Facts:
    if facts.duration is not None and facts.duration > _LONGEST:
        raise DamagedError("The file claims to last for more than a month: its header is damaged.")
    return facts


def _parser(layout: Format) -> Parser:
    match layout:
        case "wav" | "aiff" | "flac":
            return {"wav": probe_wav, "aiff": probe_aiff, "flac": probe_flac}[layout]
        case "mpeg-audio" | "adts" | "ogg":
            return {"mpeg-audio": probe_mpeg_audio, "adts": probe_adts, "ogg": probe_ogg}[layout]
        case "mp4" | "matroska":
            return {"mp4": probe_mp4, "matroska": probe_matroska}[layout]
        case "avi" | "flv" | "mpeg" | "asf":
            return {"avi": probe_avi, "flv": probe_flv, "mpeg": probe_mpeg, "asf": probe_asf}[layout]
        case "png" | "jpeg" | "webp" | "heif":
            return {"png": probe_png, "jpeg": probe_jpeg, "webp": probe_webp, "heif": probe_heif}[layout]
        case "pdf":
            return probe_pdf
        case "text":
            return _probe_text
        case _:
            assert_never(layout)


def _probe_text(_window: Window, facts: Facts) -> Facts:
    """Text says nothing about itself; it is only noted when it is not in UTF-8."""
    note = encoding_note(facts.media_type.encoding, facts.size)
    return facts if note is None else facts.model_copy(update={"warnings": (*facts.warnings, note)})
