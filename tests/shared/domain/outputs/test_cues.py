"""Subtitles that can be read: lines of 42 characters, times in order, every word once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer.transcript import Segment
from shared.domain.outputs.cues import LINE, LINES, make_cues, srt_of, vtt_of, words_of

LONG = (
    "Good morning, everybody, and welcome to the meeting of the board. Today we shall talk about the year that lies "
    "behind us, about what went well, and about what did not."
)
SEGMENTS = st.lists(
    st.builds(
        Segment,
        start=st.integers(0, 10_000).map(float),
        end=st.none() | st.integers(0, 10_000).map(float),
        text=st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=300),
        speaker=st.sampled_from(["", "Ada", "Bob"]),
    ),
    max_size=12,
)


@given(SEGMENTS)
def test_cues_hold_every_word_in_lines_that_fit_and_end_after_they_start(segments: list[Segment]) -> None:
    words = words_of(segments)
    cues = make_cues(words)
    assert sorted(" ".join(cue.text for cue in cues).split()) == sorted(" ".join(word.text for word in words).split())
    for cue in cues:
        lines = cue.text.split("\n")
        assert len(lines) <= LINES
        assert all(len(line) <= LINE for line in lines)
        assert cue.end > cue.start
    assert all(before.start <= after.start for before, after in pairwise(cues))


def test_a_long_segment_becomes_cues_that_do_not_overlap_and_break_at_sentences() -> None:
    cues = make_cues(words_of([Segment(0.0, 12.0, LONG)]))
    assert len(cues) > 1
    assert all(before.end <= after.start for before, after in pairwise(cues))
    assert any(cue.text.endswith("board.") for cue in cues)
    assert cues[-1].end <= 14.0


def test_a_pause_and_another_speaker_begin_a_new_cue() -> None:
    segments = [Segment(0.0, 1.0, "Yes.", "Ada"), Segment(1.0, 2.0, "No.", "Bob"), Segment(9.0, 10.0, "Well.", "Bob")]
    assert [cue.text for cue in make_cues(words_of(segments))] == ["Yes.", "No.", "Well."]


def test_markup_and_arrows_in_the_words_are_harmless() -> None:
    cues = make_cues(words_of([Segment(0.0, 2.0, "a <b> --> c & d")]))
    assert srt_of(cues).count("-->") == 1
    assert "&lt;b&gt;" in vtt_of(cues)
    assert vtt_of(cues).count("-->") == 1
