"""Estimates follow the rules that the guides state."""

from __future__ import annotations

import pytest

from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts, media_type
from shared.domain.models import text_tokens, tokens
from shared.domain.models.catalogue import Model, resolve


def model(name: str) -> Model:
    found = resolve(name)
    assert isinstance(found, Model)
    return found


FLASH, THREE = model("gemini-2.5-flash"), model("gemini-3-flash-preview")


def facts(mime: str, *, size: int = 1000, **known: object) -> Facts:
    return Facts(media_type=media_type(mime), size=size).model_copy(update=known)


def test_a_minute_of_audio_is_1920_tokens() -> None:
    assert tokens.estimate(facts("audio/wav", duration=60.0), FLASH) == 1920


def test_a_page_is_258_tokens_and_with_gemini_3_as_its_resolution_says() -> None:
    report = facts("application/pdf", pages=10)
    assert tokens.estimate(report, FLASH) == 2580
    assert tokens.estimate(report, THREE) == 5600
    assert tokens.estimate(report, THREE, "low") == 2800


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1, 1, 258),
        (384, 384, 258),
        (385, 384, 4 * 258),
        (960, 540, 6 * 258),
        (1024, 1024, 4 * 258),
        (3072, 3072, 16 * 258),
    ],
)
def test_an_image_is_one_tile_or_several(width: int, height: int, expected: int) -> None:
    assert tokens.estimate(facts("image/png", width=width, height=height), FLASH) == expected


@pytest.mark.parametrize(
    ("resolution", "expected"), [(None, 1120), ("low", 280), ("medium", 560), ("high", 1120), ("ultra_high", 2240)]
)
def test_gemini_3_counts_an_image_by_its_resolution_alone(resolution: tokens.Resolution | None, expected: int) -> None:
    assert tokens.estimate(facts("image/png", width=9000, height=9000), THREE, resolution) == expected


def test_a_second_of_video_is_about_300_tokens_and_100_at_low_resolution() -> None:
    clip = facts("video/mp4", duration=100.0, has_audio=True, has_video=True)
    assert tokens.estimate(clip, FLASH) == pytest.approx(30_000, rel=0.05)
    assert tokens.estimate(clip, FLASH, "low") == pytest.approx(10_000, rel=0.05)
    assert tokens.estimate(clip, THREE) == 100 * (70 + 32)


def test_text_is_four_characters_a_token() -> None:
    assert tokens.estimate(facts("text/plain", size=401), FLASH) == 101


def test_what_cannot_fit_the_context_is_refused_with_a_way_out() -> None:
    film = facts("video/mp4", duration=2 * 3600.0, has_audio=True, has_video=True)
    with pytest.raises(PermanentFailure) as refused:
        tokens.check_context([film], FLASH)
    assert refused.value.code == "context_length_exceeded"
    assert "2,088,000 tokens; model gemini-2.5-flash takes at most 1,048,576" in refused.value.message
    assert "media_resolution to low" in refused.value.message
    tokens.check_context([film], FLASH, "low")
    tokens.check_context([facts("text/plain", size=10**9)], FLASH)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("", 0),
        ("four letters make one token", 7),
        ("你好世界", 4),
        ("привет", 6),
        ("नमस्ते", 6),
        ("🙂", 1),
        ("3.14159", 7),
        ('{"a":1}', 7),
        ("QUJDREVGR0hJSktM", 14),
        ("\ud800", 1),
    ],
)
def test_a_text_has_a_token_for_every_character_that_is_no_small_letter_or_blank(text: str, most: int) -> None:
    assert text_tokens.most_of_text(text) == most


def test_several_texts_have_the_tokens_of_their_sum() -> None:
    assert text_tokens.most_of_text("ab", "cd", "你") == 2
