"""A transcript is compared with its recording: what is missing, doubled or out of place is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.checks.loops import repeated_phrase
from shared.domain.checks.transcript_coverage import transcript_warnings
from shared.domain.recipe.definition import Range

MINUTE = "What was said, and by whom, and what was answered, and how, and all that came of it later in the minute"


def test_a_transcript_that_ends_early_is_warned_of() -> None:
    spoken = "[00:00] Hello.\n[08:58] And"
    assert any("ends at 08:58 of 01:13:00" in warning for warning in transcript_warnings(spoken, None, 73 * 60))


def test_a_structured_transcript_is_compared_with_its_recording() -> None:
    value: JsonValue = {
        "segments": [
            {"start": "00:00", "end": "00:05", "text": "a"},
            {"start": "00:30", "end": "00:35", "text": "b"},
            {"start": "00:10", "end": "00:20", "text": "c"},
            {"start": "09:00", "end": "30:00", "text": "d"},
        ]
    }
    warnings = transcript_warnings("", value, 600)
    assert [warning.split(":")[0] for warning in warnings] == [
        "The transcript's times go backwards 1 times, first at 00",
        "The transcript names 30",
        "The transcript says nothing between 00",
        "The transcript has 4 words for 10 minutes",
    ]


def test_a_whole_transcript_raises_no_warning() -> None:
    timed = "\n".join(f"[{minute:02}:00] {MINUTE} {minute}." for minute in range(10))
    assert transcript_warnings(timed, None, 610) == ()
    assert transcript_warnings("word " + " ".join(f"w{n}" for n in range(1500)), None, 600) == ()
    assert transcript_warnings("今日は良い天気ですね、" * 3 + "少し散歩に行きましょう" * 3, None, 170) == ()


def test_a_plain_transcript_with_far_too_few_words_is_warned_of() -> None:
    assert "words for 73 minutes" in transcript_warnings("We begin. Thank you all.", None, 73 * 60)[0]


def test_a_range_is_what_its_transcript_is_measured_by() -> None:
    spoken = "[02:31] Hello.\n[03:20] Bye."
    assert transcript_warnings(spoken, None, 3600, Range(start=150, end=209)) == ()
    assert transcript_warnings(spoken, None, 3600, Range(start=150, end=600)) != ()


@pytest.mark.parametrize("line", ["[00:05] Early.", "[02:20] Early.", "[03:36] Late.", "[03:00 - 03:40] Too long."])
def test_times_outside_of_the_range_that_was_asked_for_are_warned_of(line: str) -> None:
    spoken = f"{line}\n[02:31] Hello.\n[03:20] Bye."
    warnings = transcript_warnings(spoken, None, 3600, Range(start=150, end=209))
    assert any("outside of the part from 02:30 to 03:29" in warning for warning in warnings)
    assert not any("outside" in warning for warning in transcript_warnings(spoken, None, 3600))


def test_times_before_a_range_without_an_end_are_warned_of() -> None:
    warnings = transcript_warnings("[00:01] Hello.\n[02:31] Bye.", None, None, Range(start=150))
    assert warnings == ("The transcript tells of 00:01, outside of the part from 02:30 on that was asked for.",)


def test_a_missing_beginning_is_warned_of() -> None:
    timed = "\n".join(f"[{minute:02}:00] {MINUTE} {minute}." for minute in range(5, 20))
    says = "The transcript says nothing between 00:00 and 05:00."
    assert says in transcript_warnings(timed, None, 1200)
    assert transcript_warnings(timed, None, 1200, Range(start=290)) == ()


def test_a_segment_within_another_leaves_no_gap() -> None:
    value: JsonValue = [
        {"start": "00:00", "end": "10:00", "text": "word " * 300},
        {"start": "00:10", "end": "00:20", "text": "Aha."},
        {"start": "09:50", "end": "10:00", "text": "Bye."},
    ]
    assert not any("says nothing" in warning for warning in transcript_warnings("", value, 600))


def test_a_long_paragraph_without_an_end_lasts_as_its_words_do() -> None:
    speech = " ".join(f"word{number}" for number in range(800))
    assert transcript_warnings(f"[00:00] {speech}\n[06:00] {speech}", None, 720) == ()
    assert transcript_warnings(f"[00:00] {speech}", None, 360) == ()


def test_a_timed_transcript_with_far_too_few_words_is_warned_of() -> None:
    timed = "\n".join(f"[{minute:02}:00] Talk." for minute in range(60))
    assert any("60 words for 60 minutes" in warning for warning in transcript_warnings(timed, None, 3600))
    value: JsonValue = [{"start": "00:00", "end": "60:00", "text": "They talk."}]
    assert transcript_warnings("", value, 3600)[0].startswith("The transcript has 2 words for 60 minutes")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"segments": []}', {"segments": []}),
        ("[]", []),
        ("{}", {}),
        ("", [{"start": "00:00", "text": " "}]),
        ("  \n", None),
        ("[00:00]\n[00:05]", None),
    ],
)
@pytest.mark.parametrize("duration", [None, 8.0, 4000.0])
def test_a_transcript_without_a_word_is_warned_of(text: str, value: JsonValue, duration: float | None) -> None:
    [warning] = transcript_warnings(text, value, duration)
    assert warning.startswith("The transcript has no words")


@pytest.mark.parametrize(
    "text",
    [
        "We talked at length.\n\n10:30 was when we met, and {speech}",
        "10:30 was when we met, and {speech}",
        "Ann: {speech}\n\n10:30 was when we met.\n\nBell: It was.\n\n9:15 was before.\n\nAnn: Yes.",
    ],
)
def test_a_time_of_day_that_is_spoken_of_is_no_time_of_the_recording(text: str) -> None:
    speech = " ".join(f"word{number}" for number in range(4000))
    assert transcript_warnings(text.format(speech=speech), None, 1800) == ()
    assert transcript_warnings("10:30 was when we met.", None, 60) == ()


@pytest.mark.parametrize(
    "text",
    [
        "[00:00]\nHello.\nAll of you.\n\n[00:40]\nAnd so",
        "1\n00:00:00,000 --> 00:00:05,000\nHello.\nAll of you.\n\n2\n00:00:40,000 --> 00:00:44,000\nAnd\nso",
        "A meeting.\n\n00:00 Hello.\n00:40 And so",
        "[00:40] And so",
    ],
)
def test_times_on_lines_of_their_own_are_believed(text: str) -> None:
    assert any(" of 02:50: the rest may be missing" in warning for warning in transcript_warnings(text, None, 170))


def test_a_model_caught_in_a_loop_is_warned_of() -> None:
    assert repeated_phrase("so we went " + "and then we left " * 8) == "and then we left"
    assert repeated_phrase("no " * 11) is None
    assert repeated_phrase("no " * 13) == "no"
    assert repeated_phrase("はい、" * 3000) == "はい、"
    assert repeated_phrase("それから" + "ご視聴ありがとうございました。" * 6) == "ご視聴ありがとうございました。"
    assert repeated_phrase("และ" * 40) == "และ"
    assert repeated_phrase("ha" * 2000) == "ha"
    assert repeated_phrase("はいはいはいはいはい、ハハハハハハハハハハ") is None
    assert repeated_phrase("https://example.org/" + "a1b2" * 5 + "?x" * 3) is None
    same: JsonValue = [{"start": f"00:0{second}", "text": "Thank you."} for second in range(6)]
    assert any("loop" in warning for warning in transcript_warnings("", same, 7))


@pytest.mark.parametrize("words", [31_000, 100_000])
def test_a_loop_at_the_end_of_a_long_transcript_is_warned_of(words: int) -> None:
    text = " ".join(f"word{number}" for number in range(words))
    assert repeated_phrase(f"{text} " + "and then we left " * 8) == "and then we left"
    assert repeated_phrase("and then we left " * 8 + text) == "and then we left"


@given(st.text(alphabet="ab はい、ก.", max_size=300))
def test_a_phrase_that_is_told_stands_in_the_text_again_and_again(text: str) -> None:
    phrase = repeated_phrase(text)
    if phrase is not None:
        assert "".join(text.split()).count("".join(phrase.split())) >= 6


MOMENTS = st.integers(0, 9000) | st.none()


@given(
    st.lists(st.tuples(st.integers(0, 9000), MOMENTS, st.text(max_size=5)), max_size=6),
    st.floats(0, 9000) | st.none(),
    st.tuples(st.integers(0, 9000), st.integers(1, 900)) | st.none(),
)
def test_any_transcript_is_judged(warnings: list[Any], duration: float | None, part: tuple[int, int] | None) -> None:
    value: JsonValue = [{"start": start, "end": end, "text": text} for start, end, text in warnings]
    range_ = Range(start=part[0], end=sum(part)) if part else None
    assert all(
        transcript_warning.endswith(".") for transcript_warning in transcript_warnings("", value, duration, range_)
    )


def test_a_recording_of_unknown_length_is_not_guessed_at() -> None:
    assert transcript_warnings("[00:01] Hi", None, None) == ()
