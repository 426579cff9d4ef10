"""An answer of ten megabytes holds up nobody: what takes a CPU runs beside the event loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from pydantic import JsonValue

from functions.generate.lease import Lease
from functions.generate.model import answer_store as keeping
from functions.generate.model.rounds import is_settled
from functions.generate.result.outcome import outcome_of
from functions.generate.result.publishing import publish
from shared import wiring
from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.question import About, Question
from shared.domain.stored_rounds import Round
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import SAMPLES, System

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


def read_and_written(text: str) -> float:
    """The seconds of this process that a whole answer takes to be read and written, when no thread gives way."""
    began = time.process_time()
    json.dumps(json.loads(text))
    return time.process_time() - began


class Turning:
    """How long the event loop stood still at most, and how long it may: a quarter of that was measured.

    Both in seconds of this process, which other processes may still double: what is allowed is measured beside it.
    """

    worst = 0.0
    allowed = 0.0

    def measure(self) -> None:
        self.allowed = max(self.allowed, 4 * read_and_written(long_transcript()))

    async def watch(self) -> None:
        last = time.process_time()
        while True:
            await asyncio.sleep(0.005)
            now = time.process_time()
            self.worst, last = max(self.worst, now - last), now


@asynccontextmanager
async def watched() -> AsyncIterator[Turning]:
    turning = Turning()
    turning.measure()
    watcher = asyncio.create_task(turning.watch())
    await asyncio.sleep(0.01)
    yield turning
    await asyncio.sleep(0.01)
    watcher.cancel()
    turning.measure()


def moment(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def long_transcript() -> str:
    """Of ten megabytes."""
    segments: list[JsonValue] = [
        {"start": moment(at), "end": moment(at + 1), "speaker": f"Speaker {at % 7}", "text": f"{at} words {'x' * 170}"}
        for at in range(40_000)
    ]
    return json.dumps({"language": "en", "segments": segments})


def told(text: str) -> Json:
    return {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]
    }


async def transcribed(system: System) -> Task:
    text = json.dumps({"language": "en", "segments": [{"start": "00:00", "end": "00:01", "speaker": "A", "text": "x"}]})
    system.model.script.append({"text": text})
    return await system.answered("long.wav", SAMPLES / "speech.wav", dropsight_recipe="transcribe-timed")


async def test_a_long_answer_is_judged_and_published_while_the_loop_turns(system: System) -> None:
    task = await transcribed(system)
    assert task.ran is not None
    asked = Recipe.model_validate(task.ran.snapshot).questions[0]
    question = Question(
        model=task.model,
        body={},
        ran=task.ran,
        response_schema=asked.response_schema,
        about=About(transcript=True, duration=11 * 3600.0),
    )
    rounds = [Round(task.token, 0, question, ("",), told(long_transcript()))]
    deps = wiring.generate()
    async with watched() as turning:
        assert await is_settled(deps, rounds)
        outcome = await outcome_of(deps, task, rounds)
        assert outcome.error is None
        assert outcome.results_pointer is not None
        whole = task.model_copy(update={"results": None, "results_pointer": outcome.results_pointer})
        published = await publish(deps, whole)
    assert len(long_transcript()) > 10_000_000
    assert len(published.uris) == 5
    assert turning.worst < turning.allowed


async def test_a_long_answer_is_kept_and_found_again_while_the_loop_turns(system: System) -> None:
    task = await transcribed(system)
    stored = await system.tasks.get(task.id)
    assert stored is not None
    deps = wiring.generate()
    lease = Lease(system.tasks, system.clock, stored, lease=timedelta(minutes=1), until=1e12)
    record: Json = {"task": task.id, "response": told(long_transcript())}
    async with watched() as turning:
        await keeping.store_answer(deps, lease, 7, record)
        assert record in await keeping.load_answers(deps, task)
    assert turning.worst < turning.allowed


async def test_pieces_are_joined_in_time_that_grows_with_their_text() -> None:
    pieces: list[Json] = [told("word " * 20) for _ in range(100_000)]
    other: list[Json] = [
        {"candidates": [{"content": {"parts": [{"text": "t", "thought": bool(number % 2)}]}}]}
        for number in range(20_000)
    ]
    began = time.process_time()
    whole = answer.join(pieces)
    assert len(answer.text(answer.candidates(whole)[0])) == 10_000_000
    assert len(answer.parts(answer.candidates(answer.join(other))[0])) == 20_000
    assert time.process_time() - began < 4
