"""Tasks that wait, for the model or until their files are processed, keep no other task from transferring its files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest

from shared import wiring
from tests.functions.generate.conftest import INBOX, REQUESTS, System
from tests.shared.long_files import numbered_pdf
from tests.shared.made_documents import docx, paragraph

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

TASKS = 16
"""As many as the queue of these tests dispatches at once."""


async def _until(holds: Callable[[], bool]) -> None:
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


async def test_a_task_with_long_questions_about_parts_keeps_its_slot_from_the_first_to_the_last(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await system.answered("waiting/long.pdf", numbered_pdf(1001))
    monkeypatch.setattr(wiring.generate().transfers, "_free", asyncio.Semaphore(1))
    before = len(system.model.asked)
    system.model.script.append({"text": "late", "latency": "30s", "chunks": 2})
    uris = []
    for name in ("first", "second"):
        content = [
            {"type": "text", "text": f"{name} " * 100_000},
            {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/waiting/long.pdf"}},
        ]
        body = {"model": "gemini-3.5-flash", "messages": [{"role": "user", "content": content}]}
        uris.append(await system.drop(f"manifests/tests/{name}.json", json.dumps(body).encode(), bucket=REQUESTS))
        await system.until(uris[-1], lambda task: task.token == 1)
        await _until(lambda: len(system.model.asked) > before)
    await _end(system, uris)
    asked = ["first first" in json.dumps(body) for _, body in system.model.asked[before:]]
    assert asked == [True] * (len(asked) // 2) + [False] * (len(asked) // 2)


async def test_what_files_became_is_not_held_while_they_are_processed(system: System) -> None:
    system.model.set_model({"processing": "30s"})
    before = system.tap.ledger.stats().get("gemini", {}).get("uploads", 0)
    text = docx(paragraph("many words " * 10_000))
    uris = await asyncio.gather(*(system.drop(f"waiting/{number}.docx", text) for number in range(TASKS)))
    await _until(lambda: system.tap.ledger.stats()["gemini"]["uploads"] == before + TASKS)
    await _until(lambda: not list(_long_bytes_of_generate()))
    await _end(system, uris)


def _long_bytes_of_generate() -> Iterator[bytes]:
    """Yield what the running coroutines of generate hold in their variables, if it is as long as a converted file."""
    for task in asyncio.all_tasks():
        running: Any = task.get_coro()
        while running is not None:
            frame = getattr(running, "cr_frame", None)
            if frame is not None and "functions/generate/question" in frame.f_code.co_filename:
                yield from (
                    data for value in frame.f_locals.values() for data in _bytes_in(value) if len(data) > 50_000
                )
            running = getattr(running, "cr_await", None)


def _bytes_in(value: object) -> Iterator[bytes]:
    match value:
        case bytes():
            yield value
        case list() | tuple():
            for item in value:
                yield from _bytes_in(item)
        case FunctionType():
            yield from _bytes_in([cell.cell_contents for cell in value.__closure__ or ()])
