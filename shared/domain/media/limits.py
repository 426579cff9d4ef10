"""The limits of the Gemini API on files and prompts, and refusals that name them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from shared.domain.media.facts import Facts
from shared.domain.media.refusal import Refusal

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


def check(facts: Facts, limits: Limits = GEMINI) -> Refusal | None:
    """Return why this file may not be sent, or None."""
    pdf = facts.media_type.family == "pdf"
    return check_soundness(facts) or check_size(facts.size, pdf, limits) or check_prompt([facts], limits)


def check_soundness(facts: Facts) -> Refusal | None:
    """Return why this file is unusable (empty or damaged), or None."""
    if facts.size == 0:
        return Refusal(code="empty_file", message="The file is empty (0 bytes). Upload it again.")
    if facts.problem is not None:
        return Refusal(code="file_processing_failed", message=facts.problem)
    return None


def check_size(size: int, pdf: bool, limits: Limits = GEMINI) -> Refusal | None:
    """Return why a file of this size may not be sent, or None."""
    if pdf and size > limits.pdf_bytes:
        return Refusal(
            code="payload_too_large",
            message=f"The PDF has {_bytes(size)}; at most {_bytes(limits.pdf_bytes)} are taken. "
            "Split it, or scan it at a lower resolution.",
        )
    if size > limits.file_bytes:
        return Refusal(
            code="payload_too_large",
            message=f"The file has {_bytes(size)}; at most {_bytes(limits.file_bytes)} are taken. "
            "Split it, or encode it at a lower bit rate.",
        )
    return None


def check_prompt(files: Iterable[Facts], limits: Limits = GEMINI) -> Refusal | None:
    """Return why these files may not be sent in one prompt, or None."""
    seconds, pages, images = 0.0, 0, 0
    for facts in files:
        family = facts.media_type.family
        seconds += facts.duration or 0.0 if family == "audio" else 0.0
        pages += facts.pages or 0 if family == "pdf" else 0
        images += family == "image"
    if seconds > limits.audio_seconds:
        return Refusal(
            code="media_too_long",
            message=f"There are {_hours(seconds)} of audio; at most {_hours(limits.audio_seconds)} in one prompt are "
            "taken. Cut the recording into parts.",
        )
    if pages > limits.pdf_pages:
        return Refusal(
            code="media_too_long",
            message=f"There are {pages:,} PDF pages; at most {limits.pdf_pages:,} in one prompt are taken. "
            "Split the document.",
        )
    if images > limits.images:
        return Refusal(
            code="payload_too_large",
            message=f"There are {images:,} images; at most {limits.images:,} in one prompt are taken. "
            "Send them in several tasks.",
        )
    return None


def _bytes(count: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.4g} {unit} ({count:,} bytes)"
    return f"{count:,} bytes"


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR:.2f}".rstrip("0").rstrip(".") + " h"
