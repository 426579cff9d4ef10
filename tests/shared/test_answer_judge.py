"""What follows from an answer is decided without harm to the event loop, whatever the answer and its schema are."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from shared.answer_judge import AnswerJudge
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, next_step
from shared.sandbox import Sandbox
from tests.shared.domain.request.hostile_schemas import doubling, nested_twice

ROWS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}


def said(text: str) -> Json:
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]}


def nested(levels: int, inner: str) -> str:
    return '{"c":' * levels + inner + "}" * levels


@pytest.fixture
async def judge() -> AsyncIterator[AnswerJudge]:
    sandbox = Sandbox()
    yield AnswerJudge(sandbox)
    await sandbox.close()


@pytest.mark.parametrize(
    "text", ["[]", '[{"n": 1}]', '```json\n[{"n": 2}]\n```', '[{"n": "x"}]', "no JSON", "", '["\\ud800"]']
)
async def test_the_decision_is_that_of_the_domain(judge: AnswerJudge, text: str) -> None:
    for responses in ([said(text)], [said(text), said('[{"n": 3}]')], [said(text), said(text)]):
        decided = await judge.next_step(responses, ROWS, continuations=3)
        assert decided == next_step(responses, ROWS, continuations=3)


async def test_an_answer_without_a_schema_needs_no_judge(judge: AnswerJudge) -> None:
    assert isinstance(await judge.next_step([said("hello")], None, continuations=0), CompleteAnswer)


@pytest.mark.long
@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (nested_twice(), nested(60, "3")),
        ({"type": "array", "items": {"$ref": "#/$defs/a0"}, "$defs": doubling(10)["$defs"]}, json.dumps([3] * 200_000)),
        (doubling(40), "3"),
        ({"type": "array", "patternProperties": {r"^(\w{900}){9}$": {}}}, "[1]"),
    ],
    ids=["nested twice", "very many", "of an earlier version", "patterns of an earlier version"],
)
async def test_a_check_without_end_is_stopped_while_the_event_loop_goes_on(
    schema: dict[str, Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.answer_judge._SECONDS", 3.0)
    sandbox = Sandbox()
    before = psutil.Process().memory_info().rss
    stands = 0.0

    async def pulse() -> None:
        nonlocal stands
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.01)
            stands = max(stands, time.thread_time() - began)

    beating = asyncio.create_task(pulse())
    try:
        async with asyncio.timeout(100):
            step = await AnswerJudge(sandbox).next_step([said(text)], schema, continuations=0)
    finally:
        beating.cancel()
        await sandbox.close()
    assert isinstance(step, AskAgain | CompleteAnswer)
    # Of this thread's own processor time, so that other processes do not count.
    assert stands < 0.5
    assert psutil.Process().memory_info().rss - before < 100 << 20


async def test_an_answer_that_cannot_be_judged_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.answer_judge._SECONDS", 1.0)
    sandbox = Sandbox()
    try:
        judge = AnswerJudge(sandbox)
        step = await judge.next_step([said("3"), said("4")], doubling(40), continuations=0)
    finally:
        await sandbox.close()
    assert isinstance(step, Failed)
    assert step.code == "schema_not_satisfied"
    assert "nest it less" in step.message


async def test_ordinary_answers_are_judged_in_place_and_once() -> None:
    class NoChild(Sandbox):
        async def run(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("a child for an ordinary answer")

    judge = AnswerJudge(NoChild())
    text = json.dumps([{"n": n} for n in range(2_000)])
    began = time.process_time()
    for _ in range(50):
        assert isinstance(await judge.next_step([said(text)], ROWS, continuations=3), CompleteAnswer)
    assert time.process_time() - began < 2
