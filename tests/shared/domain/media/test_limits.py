"""Limits are refused by name, value and way out; exactly at the limit, a file is taken."""

from __future__ import annotations

import pytest

from shared.domain.errors import PermanentFailure
from shared.domain.media import GEMINI, Facts, check, check_prompt, check_size, media_type

HOUR = 3600.0


def facts(mime: str, *, size: int = 1000, **known: object) -> Facts:
    return Facts(media_type=media_type(mime), size=size).model_copy(update=known)


@pytest.mark.parametrize(
    "allowed",
    [
        facts("audio/wav", size=2 * 1024**3, duration=9.5 * HOUR),
        facts("application/pdf", size=50 * 1024**2, pages=1000),
        facts("image/png", width=1, height=1),
        facts("video/mp4", duration=40 * HOUR),
    ],
)
def test_what_is_exactly_at_the_limit_is_taken(allowed: Facts) -> None:
    check(allowed)


@pytest.mark.parametrize(
    ("too_much", "code", "says"),
    [
        (facts("audio/wav", size=0), "empty_file", "0 bytes"),
        (facts("audio/wav", problem="It is broken."), "file_processing_failed", "It is broken."),
        (facts("audio/wav", size=2 * 1024**3 + 1), "payload_too_large", "2,147,483,649 bytes"),
        (facts("application/pdf", size=50 * 1024**2 + 1), "payload_too_large", "at most 50 MiB"),
        (facts("application/pdf", pages=1001), "media_too_long", "1,001 PDF pages; at most 1,000"),
        (facts("audio/mp3", duration=10 * HOUR), "media_too_long", "10 h of audio; at most 9.5 h"),
    ],
)
def test_what_is_over_a_limit_is_refused_with_the_value_and_the_way_out(too_much: Facts, code: str, says: str) -> None:
    with pytest.raises(PermanentFailure) as refused:
        check(too_much)
    assert refused.value.code == code
    assert says in refused.value.message


def test_all_recordings_of_a_prompt_count_together() -> None:
    parts = [facts("audio/mp3", duration=5 * HOUR)] * 2
    with pytest.raises(PermanentFailure) as refused:
        check_prompt(parts)
    assert refused.value.code == "media_too_long"
    check_prompt(parts[:1])


def test_all_images_of_a_prompt_count_together() -> None:
    check_prompt([facts("image/png")] * 3600)
    with pytest.raises(PermanentFailure, match="3,601 images"):
        check_prompt([facts("image/png")] * 3601)


def test_size_can_be_refused_before_anything_is_read() -> None:
    check_size(GEMINI.file_bytes, pdf=False)
    check_size(GEMINI.pdf_bytes + 1, pdf=False)
    for size, pdf in ((GEMINI.file_bytes + 1, False), (GEMINI.pdf_bytes + 1, True)):
        with pytest.raises(PermanentFailure, match="at most"):
            check_size(size, pdf=pdf)
