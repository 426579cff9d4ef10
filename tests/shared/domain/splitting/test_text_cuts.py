"""Where a text is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest

from shared.domain.splitting.text_cuts import cut_by_bytes, cut_by_characters

PROSE = "One two three. Four five six! Seven eight nine? Ten.\n\nEleven twelve thirteen fourteen fifteen sixteen"


def pieces(text: str, cuts: list[tuple[int, int]]) -> list[str]:
    return [text[start:end].strip() for start, end in cuts]


def test_a_text_is_cut_at_paragraphs_then_sentences_then_words() -> None:
    assert pieces(PROSE, cut_by_characters(PROSE, 32)) == [
        "One two three. Four five six!",
        "Seven eight nine? Ten.",
        "Eleven twelve thirteen fourteen",
        "fifteen sixteen",
    ]


def test_pieces_follow_each_other_and_leave_nothing_out() -> None:
    for text in (PROSE * 50, "x" * 1_000, "字。" * 500, "🚚" * 500):
        for cuts in (cut_by_characters(text, 100), cut_by_bytes(text, 100)):
            assert "".join(text[start:end] for start, end in cuts) == text
            assert all(first[1] == second[0] for first, second in pairwise(cuts))


@pytest.mark.parametrize("text", ["田中さんは来ました。" * 200, "🚚 " * 900, "plain words " * 900])
def test_no_piece_has_more_bytes_than_allowed(text: str) -> None:
    assert all(len(text[start:end].encode()) <= 400 for start, end in cut_by_bytes(text, 400))


def test_a_cut_from_a_cut_on_is_the_same_cut() -> None:
    text = PROSE * 20
    cuts = cut_by_characters(text, 90)
    start = cuts[5][0]
    again = cut_by_characters(text[start:], 90)
    assert [(begin + start, end + start) for begin, end in again] == cuts[5:]


def test_blank_stretches_are_no_pieces() -> None:
    assert cut_by_characters(" \n" * 500, 100) == []
    assert pieces("Hi" + " " * 300, cut_by_characters("Hi" + " " * 300, 100)) == ["Hi"]
