"""A loop is noticed while it comes, soon after its third repetition; what answers do say is let through."""

from __future__ import annotations

import time
from random import Random

import pytest

from shared.domain.checks.loop_watch import LoopWatch

PIECE = 150
BEGINNING = "First some words that are said once, and then others. " * 3 + "At last it begins:\n"


def cut_at(text: str, piece: int = PIECE) -> int | None:
    """How many characters had come when the loop was noticed."""
    watch = LoopWatch()
    for at in range(0, len(text), piece):
        if watch.add(text[at : at + piece]) is not None:
            return at + piece
    return None


def counted(template: str, times: int) -> str:
    return "".join(
        template.format(at=f"{number // 60:02d}:{number % 60:02d}", number=number) for number in range(times)
    )


@pytest.mark.parametrize(
    "phrase",
    [
        "No. ",
        "Thank you for watching.\n",
        "| Berlin | 12 | yes |\n",
        '{"item": "Tea", "price": 3},',
        "A whole paragraph that the model says again, as models do when they have lost the thread of it. " * 3,
        "".join(f"Sentence {word} of a long page. " for word in "abcdefghijklmnopqrstuvwxyz") * 2,
        "".join(
            f"Line {chr(97 + n % 26)}{chr(97 + n // 26)} of a very long phrase that goes on.\n" for n in range(150)
        ),
        "ありがとうございました。",
        "-----|",
    ],
)
def test_a_loop_is_noticed_within_2000_tokens_of_its_third_repetition(phrase: str) -> None:
    at = cut_at(BEGINNING + phrase * (200_000 // len(phrase)))
    assert at is not None
    a_token = 4 if phrase.isascii() else 1
    assert at <= len(BEGINNING) + 3 * len(phrase) + 2000 * a_token


@pytest.mark.parametrize(
    "template",
    ["[{at}] [Music]\n", "{number}. The same thing again and again.\n", '{{"start": {number}, "text": "So"}},'],
)
def test_lines_that_differ_in_their_times_and_numbers_only_are_a_loop_too(template: str) -> None:
    at = cut_at(BEGINNING + counted(template, 3000))
    assert at is not None
    assert at <= len(BEGINNING) + 3 * 50 + 8000


@pytest.mark.long
@pytest.mark.parametrize(
    "text",
    [
        counted(
            "[{at}] Sentence number {number} is not the one before, since it has words of its own: w{number}.\n", 2000
        ),
        "No, no, no! " * 30 + "Well.\n" * 40,
        counted("| {number} | {number} | 0 | 0 |\n", 4000),
        counted("{at}\n", 9000),
        "| | | |\n" * 600 + "end",
        counted("[{at}] [silence]\n", 300),
        "x,y,Berlin\n" * 300,
        "ÄÖÜßäöü " * 20_000,
        "x" * 100_000,
        "".join(Random(7).choices("abcdefghij ", k=100_000)),
    ],
)
def test_what_an_answer_may_well_say_is_let_through(text: str) -> None:
    assert cut_at(text) is None


@pytest.mark.long
def test_looking_for_loops_takes_little_time() -> None:
    text = counted("[{at}] Sentence {number} with words such as w{number} in it, and as many again.\n", 4000)
    began = time.process_time()
    assert cut_at(text, 60) is None
    assert time.process_time() - began < 0.02 * len(text) / 500
