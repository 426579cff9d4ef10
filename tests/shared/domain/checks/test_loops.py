"""A model caught in a loop is noticed at the end of its answer, before another call is paid for."""

from __future__ import annotations

import time
from random import Random

import pytest

from shared.domain.answer.response import Json
from shared.domain.checks.loops import loop_at_end
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, next_step

_RANDOM = Random(7)
WORDS = ["".join(_RANDOM.choices("abcdefghij", k=_RANDOM.randint(2, 9))) for _ in range(3000)]
PROSE = " ".join(_RANDOM.choices(WORDS, k=20_000))
LONG = " ".join(_RANDOM.choices(WORDS, k=800))


def lines(form: str, count: int = 200) -> str:
    return "".join(
        form.format(n=number, time=f"{number // 60:02}:{number % 60:02}", s=number * 1.5) for number in range(count)
    )


@pytest.mark.parametrize(
    "loop",
    [
        " Thank you." * 200,
        " Thank you." * 200 + " Tha",
        "ha" * 1000,
        "…" * 3000,
        "\n" + f"\n{LONG}" * 5,
        lines("[{time}] Thank you.\n"),
        lines("{n}. The same thing again.\n"),
        lines('{{"start": "{time}", "end": "{time}", "speaker": "A", "text": "Thank you."}}, '),
        lines('{{"start":{s},"end":{s},"text":"Thank you."}},'),
        lines("| {n} | The same row |\n"),
        "-" * 4000,
        "谢谢观看。" * 200,
    ],
)
def test_a_loop_at_the_end_is_seen(loop: str) -> None:
    assert loop_at_end(PROSE + loop)


@pytest.mark.parametrize(
    "end",
    [
        "",
        " no, no, no, no, no, no, no",
        lines("\n| {n} | Screw M{n} | 0.{n} |", 500),
        ", ".join(str(number) for number in range(3000)),
        "\n|" + "---|" * 40,
        lines("| {time} | {time} | {time} |\n", 400),
        "\n".join(f"{number}. {WORDS[number]}" for number in range(500)),
        f"\n{LONG}" * 2,
        " Thank you." * 200 + PROSE[:500],
    ],
)
def test_an_end_without_a_loop_is_none(end: str) -> None:
    assert loop_at_end(PROSE + end) is None


@pytest.mark.parametrize(
    "text",
    [
        "a" * 4_000_000,
        "1" * 4_000_000,
        "ab" * 30_000 + "c",
        "a" * 30_000 + "b" + "a" * 29_999,
        "\n" * 1_000_000,
        "1:" * 500_000,
        '"start": ' * 100_000,
        "1" * 59_000 + "a",
    ],
)
def test_looking_for_a_loop_takes_no_longer_for_any_text(text: str) -> None:
    began = time.process_time()
    loop_at_end(text)
    assert time.process_time() - began < 1.5


def cut(text: str) -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "MAX_TOKENS"}]}


def test_a_loop_that_ends_at_the_token_limit_is_not_continued_and_says_so() -> None:
    whole = next_step([cut("It began well." + " Thank you." * 500)], None, continuations=3)
    assert isinstance(whole, CompleteAnswer)
    assert "loop" in whole.warnings[0]
    assert "Thank you." in whole.warnings[0]


def test_a_continuation_that_falls_into_a_loop_is_the_last_one() -> None:
    pieces = [cut(PROSE), cut(" And so on." * 500)]
    assert isinstance(next_step(pieces[:1], None, continuations=3), AskAgain)
    assert isinstance(next_step(pieces, None, continuations=3), CompleteAnswer)


def test_a_structured_answer_in_a_loop_fails_and_names_it() -> None:
    text = '{"segments": [' + lines('{{"start": "{time}", "end": "{time}", "speaker": "A", "text": "Thank you."}}, ')
    failed = next_step([cut(text)], {"type": "object"}, continuations=3)
    assert isinstance(failed, Failed)
    assert failed.code == "schema_not_satisfied"
    assert "loop" in failed.message
