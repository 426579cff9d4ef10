"""Tasks that wait, for the model or until their files are processed, keep no other task from transferring its files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from shared import wiring
from tests.functions.generate.conftest import REQUESTS, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

TASKS = 16
"""As many as the queue of these tests dispatches at once."""


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.03)


async def _drop_all(system: System, folder: str) -> list[str]:
    names = [f"{folder}/{number}.txt" for number in range(TASKS)]
    return list(await asyncio.gather(*(system.drop(name, b"some words") for name in names)))


async def _end(system: System, uris: list[str]) -> None:
    system.clock.advance(31)
    for uri in uris:
        task = await system.until(uri, lambda task: task.terminal and not task.after)
        assert task.error is None


async def test_more_tasks_wait_for_the_model_than_may_transfer_files(system: System) -> None:
    assert wiring.generate().settings.transfers < TASKS
    system.model.script.extend({"text": "late", "latency": "30s", "chunks": 2} for _ in range(TASKS))
    uris = await _drop_all(system, "waiting/for-the-model")
    await _until(lambda: len(system.model.asked) == TASKS)
    await _end(system, uris)


async def test_more_files_are_processed_than_are_transferred_at_once(system: System) -> None:
    system.model.set_model({"processing": "30s"})
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    uris = await _drop_all(system, "waiting/for-the-file")
    await _until(lambda: system.tap.ledger.stats()["gemini"]["uploads"] == before + TASKS)
    assert system.model.asked == []
    await _end(system, uris)


async def test_of_long_questions_only_as_many_wait_for_the_model_as_may_transfer_files(system: System) -> None:
    slots, model = wiring.generate().settings.transfers, "gemini-3.5-flash"
    system.model.script.extend({"text": "late", "latency": "30s", "chunks": 2} for _ in range(slots))
    body = {"model": model, "messages": [{"role": "user", "content": "a word " * 100_000}]}
    names = [f"manifests/tests/long-{number}.json" for number in range(slots + 2)]
    uris = await asyncio.gather(*(system.drop(name, json.dumps(body).encode(), bucket=REQUESTS) for name in names))
    for uri in uris:
        await system.until(uri, lambda task: task.token == 1)
    await _until(lambda: len(system.model.asked) == slots)
    await _end(system, list(uris))
    assert len(system.model.asked) == slots + 2
