"""The limits of the Gemini API on files and prompts, and refusals that name them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from shared.domain.errors import PermanentFailure
from shared.domain.media.facts import Facts

_HOUR = 3600.0


class Limits(BaseModel):
    """Limits on one file, and on all files of one prompt.

    The guides write "GB" and "MB" and do not say which; the larger reading is taken, because a file in between is
    refused by the service with a clear error, while refusing it here would be wrong if the service takes it.
    """

    model_config = ConfigDict(frozen=True)

    file_bytes: int = 2 * 1024**3
    """2 GB a file (guide "Files API")."""
    pdf_bytes: int = 50 * 1024**2
    """50 MB (guide "Document understanding", technical details)."""
    pdf_pages: int = 1000
    """Pages of all PDFs of one prompt (the same guide)."""
    audio_seconds: float = 9.5 * _HOUR
    """Of all audio files of one prompt together (guide "Audio understanding", technical details)."""
    images: int = 3600
    """Image files of one prompt (guide "Image understanding")."""


GEMINI = Limits()


def check(facts: Facts) -> None:
    """Raise `PermanentFailure` if this file may not be sent."""
    check_soundness(facts)
    check_size(facts.size, pdf=facts.media_type.family == "pdf")
    check_prompt([facts])


def check_soundness(facts: Facts) -> None:
    """Raise `PermanentFailure` if this file is unusable: empty or damaged."""
    if facts.size == 0:
        raise PermanentFailure("empty_file", "The file is empty (0 bytes). Upload it again.")
    if facts.problem is not None:
        raise PermanentFailure("file_processing_failed", facts.problem)


def check_size(size: int, *, pdf: bool) -> None:
    """Raise `PermanentFailure` if a file of this size may not be sent."""
    if pdf and size > GEMINI.pdf_bytes:
        message = f"The PDF has {_bytes(size)}; at most {_bytes(GEMINI.pdf_bytes)} are taken. "
        raise PermanentFailure("payload_too_large", f"{message}Split it, or scan it at a lower resolution.")
    if size > GEMINI.file_bytes:
        message = f"The file has {_bytes(size)}; at most {_bytes(GEMINI.file_bytes)} are taken. "
        raise PermanentFailure("payload_too_large", f"{message}Split it, or encode it at a lower bit rate.")


def check_prompt(files: Iterable[Facts]) -> None:
    """Raise `PermanentFailure` if these files may not be sent in one prompt."""
    seconds, pages, images = 0.0, 0, 0
    for facts in files:
        family = facts.media_type.family
        seconds += facts.duration or 0.0 if family == "audio" else 0.0
        pages += facts.pages or 0 if family == "pdf" else 0
        images += family == "image"
    most = "in one prompt are taken."
    if seconds > GEMINI.audio_seconds:
        message = f"There are {_hours(seconds)} of audio; at most {_hours(GEMINI.audio_seconds)} {most}"
        raise PermanentFailure("media_too_long", f"{message} Cut the recording into parts.")
    if pages > GEMINI.pdf_pages:
        message = f"There are {pages:,} PDF pages; at most {GEMINI.pdf_pages:,} {most}"
        raise PermanentFailure("media_too_long", f"{message} Split the document.")
    if images > GEMINI.images:
        message = f"There are {images:,} images; at most {GEMINI.images:,} {most}"
        raise PermanentFailure("payload_too_large", f"{message} Send them in several tasks.")


def _bytes(count: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.4g} {unit} ({count:,} bytes)"
    return f"{count:,} bytes"


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR:.2f}".rstrip("0").rstrip(".") + " h"
