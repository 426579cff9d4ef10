"""Joined transcripts: every word once, in order, whatever the model makes of its segments and of the edges."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.splitting.plan import OVERLAP_SECONDS, Span, spans_between
from shared.domain.splitting.seams import Piece, join_pieces, join_texts
from shared.domain.splitting.transcripts import in_source_time, join_plain, join_segments

VOCABULARY = [
    "the", "and", "so", "we", "said", "that", "yes", "no", "well", "house", "river", "seven", "blue", "quick", "talk",
    "paper", "money", "later", "never", "green", "window", "morning", "question", "answer", "people", "it's", "naïve",
]  # fmt: skip


class Spoken(NamedTuple):
    word: str
    at: float


@st.composite
def speech(draw: st.DrawFn, seconds: float = 120.0) -> list[Spoken]:
    """Words with the moments at which they are said: about two a second, with pauses."""
    # Seeds, not choices: what is shrunk to one word over and over can be joined in many ways.
    random = Random(draw(st.integers(0, 1 << 32)))
    at, rate, words = random.uniform(0, 2), random.uniform(0.25, 0.8), list[Spoken]()
    while at < seconds:
        words.append(Spoken(random.choice(VOCABULARY), at))
        at += rate * random.uniform(0.5, 1.5)
    return words


@st.composite
def heard(draw: st.DrawFn, words: list[Spoken], span: Span) -> list[Piece]:
    """What a model writes of one part: segments of any length, times of the part in whole seconds."""
    inside = [spoken for spoken in words if span.start <= spoken.at < span.end]
    random = Random(draw(st.integers(0, 1 << 32)))
    pieces, begin = [], 0
    while begin < len(inside):
        length = random.randint(1, 18)
        some = inside[begin : begin + length]
        start, end = int(some[0].at - span.start), int(some[-1].at - span.start) + 1
        pieces.append(Piece(float(start), float(end), " ".join(spoken.word for spoken in some)))
        begin += length
    return pieces


def said(pieces: list[Piece]) -> list[str]:
    return " ".join(piece.text for piece in pieces).split()


@given(st.data())
def test_what_two_parts_heard_alike_is_joined_word_for_word(data: st.DataObject) -> None:
    words = data.draw(speech())
    spans = spans_between(0, 120, [60.0])
    first, second = (in_source_time(data.draw(heard(words, span)), span) for span in spans)
    joined, fits = join_pieces(first, second, 60.0, OVERLAP_SECONDS)
    assert fits
    assert said(joined) == [spoken.word for spoken in words]
    starts = [piece.start for piece in joined]
    assert all(after >= before - 12 for before, after in pairwise(starts))


@given(st.data())
def test_words_that_are_cut_in_half_at_the_edges_are_taken_from_the_part_that_has_them_whole(
    data: st.DataObject,
) -> None:
    words = data.draw(speech())
    spans = spans_between(0, 120, [60.0])
    first, second = (in_source_time(data.draw(heard(words, span)), span) for span in spans)
    if not first or not second:
        return
    first[-1] = first[-1]._replace(text=f"{first[-1].text} mis")
    second[0] = second[0]._replace(text=f"heard {second[0].text}")
    joined, fits = join_pieces(first, second, 60.0, OVERLAP_SECONDS)
    assert fits
    assert said(joined) == [spoken.word for spoken in words]


@given(st.data())
def test_transcripts_without_times_are_joined_word_for_word(data: st.DataObject) -> None:
    words = data.draw(speech())
    first = [spoken.word for spoken in words if spoken.at < 65]
    second = [spoken.word for spoken in words if spoken.at >= 55]
    joined, fits = join_texts(" ".join(first), " ".join(second))
    assert fits
    assert joined.split() == [spoken.word for spoken in words]


@given(st.lists(st.floats(20, 100), min_size=1, max_size=3), st.data())
def test_structured_transcripts_have_the_times_of_the_source(cuts: list[float], data: st.DataObject) -> None:
    marks = sorted(cuts)
    marks = [cut for index, cut in enumerate(marks) if index == 0 or cut - marks[index - 1] > 25]
    words = data.draw(speech())
    plan = spans_between(0, 120, marks)
    values: list[Any] = [
        {
            "language": "en",
            "segments": [
                {"start": piece.start, "end": piece.end, "text": piece.text, "speaker": "A"}
                for piece in data.draw(heard(words, span))
            ],
        }
        for span in plan
    ]
    joined = join_segments(values, plan).value
    assert isinstance(joined, dict)
    assert joined["language"] == "en"
    segments = joined["segments"]
    assert isinstance(segments, list)
    assert " ".join(str(item["text"]) for item in segments).split() == [spoken.word for spoken in words]  # type: ignore[index,call-overload]


def span(start: float, end: float) -> Span:
    return Span(start=start, end=end, unit="seconds")


def test_lines_with_times_keep_their_form() -> None:
    plan = (span(0, 65), span(55, 3700))
    first = "Here it is:\n\n[00:00] Ann: We begin.\n[00:55] Ben: And then we go on to the end."
    second = "[00:00] Ben: And then we go on to the end.\n[00:10] Ann: Fine.\n[60:00] Ann: Bye."
    assert join_plain([first, second], plan).text == (
        "Here it is:\n[00:00] Ann: We begin.\n[00:55] Ben: And then we go on to the end.\n[01:05] Ann: Fine.\n"
        "[01:00:55] Ann: Bye."
    )


def test_subtitles_are_numbered_through() -> None:
    plan = (span(0, 65), span(55, 120))
    first = "1\n00:00:01,000 --> 00:00:03,500\nHello\n\n2\n00:00:56,000 --> 00:01:00,000\nGood to see you"
    second = "1\n00:00:01,000 --> 00:00:05,000\nGood to see you\n\n2\n00:00:30,250 --> 00:00:31,000\nBye"
    assert join_plain([first, second], plan).text == (
        "1\n00:00:01,000 --> 00:00:03,500\nHello\n\n2\n00:00:56,000 --> 00:01:00,000\nGood to see you\n\n"
        "3\n00:01:25,250 --> 00:01:26,000\nBye"
    )


def test_times_that_a_model_counts_from_the_beginning_of_the_source_are_left_alone() -> None:
    absolute = [Piece(1805.0, 1809.0, "here"), Piece(3500.0, None, "there")]
    assert in_source_time(absolute, span(1795, 3600)) == absolute
    relative = [Piece(10.0, 14.0, "here")]
    assert in_source_time(relative, span(1795, 3600)) == [Piece(1805.0, 1809.0, "here")]


def test_parts_that_agree_in_nothing_are_joined_at_the_cut_with_a_warning() -> None:
    plan = (span(0, 65), span(55, 120))
    first = "[00:50] one two three\n[00:58] four five six"
    second = "[00:02] vier fünf sechs\n[00:10] sieben acht"
    joined = join_plain([first, second], plan)
    assert joined.text == "[00:50] one two three\n[00:58] four five six\n[01:05] sieben acht"
    assert joined.warnings == (
        "Around 01:00, where the recording was split, the two transcripts have no words in common: a few words may be "
        "doubled or missing there.",
    )


@pytest.mark.parametrize(("first", "second"), [("", "[00:02] word"), ("[00:02] word", "")])
def test_a_silent_part_takes_nothing_from_the_other(first: str, second: str) -> None:
    joined = join_plain([first, second], (span(0, 65), span(55, 120)))
    assert joined.text.endswith("word")
    assert joined.warnings == ()


def test_scripts_without_spaces_are_joined_letter_by_letter() -> None:
    joined, fits = join_texts("今日はとても良い天気ですね散歩に行きま", "天気ですね散歩に行きましょう")
    assert fits
    assert joined == "今日はとても良い天気ですね散歩に行きましょう"


def test_words_that_are_said_over_and_over_are_joined_by_their_times() -> None:
    plan = spans_between(0, 120, [60.0])
    first = [Piece(float(at), at + 1.0, "no") for at in range(65)]
    second = [Piece(float(at - 55), at - 54.0, "no") for at in range(55, 120)]
    joined, fits = join_pieces(first, in_source_time(second, plan[1]), 60.0, OVERLAP_SECONDS)
    assert fits
    assert len(said(joined)) == 120


def test_words_of_a_segment_are_timed_like_the_whole_recording() -> None:
    def part(text: str, at: float) -> Any:
        words = [{"word": word, "start": at + n, "end": at + n + 0.5} for n, word in enumerate(text.split())]
        return {"segments": [{"start": at, "end": words[-1]["end"], "text": text, "words": words}]}

    plan = spans_between(0.0, 200.0, [100.0])
    joined: Any = join_segments([part("Good morning.", 1.0), part("Good night.", 50.0)], plan).value
    assert [word["start"] for entry in joined["segments"] for word in entry["words"]] == [1.0, 2.0, 145.0, 146.0]
