"""Every awkward file that people drop meets its expected end: understood as what it is, or refused and not paid for."""

from __future__ import annotations

import asyncio
import json

import pytest

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import SAMPLES, System, camelled

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]

UGLY = SAMPLES / "ugly"
EXPECTED: dict[str, dict[str, object]] = {
    name: expected
    for name, expected in json.loads((UGLY / "expected.json").read_text()).items()
    # They take many calls, and have tests of their own.
    if expected["outcome"] != "split"
}


async def test_each_ugly_file_ends_as_expected_and_only_the_good_ones_are_asked_about(system: System) -> None:
    pace = asyncio.Semaphore(8)

    async def answered(name: str) -> Task:
        async with pace:
            return await system.answered(f"ugly/{name}", UGLY / name)

    tasks = dict(zip(EXPECTED, await asyncio.gather(*map(answered, EXPECTED)), strict=True))
    astray = {name: told for name, task in tasks.items() if (told := _astray(task, EXPECTED[name]))}
    assert not astray

    sent = sorted(camelled(body["contents"][0]["parts"][0]["fileData"])["mimeType"] for _, body in system.model.asked)
    assert sent == sorted(
        str(each.get("sent", each["mime"])) for each in EXPECTED.values() if each["outcome"] == "completed"
    )


def _astray(task: Task, expected: dict[str, object]) -> str:
    """How a task's end differs from what is expected; empty where it does not."""
    if expected["outcome"] == "completed":
        return "" if task.error is None else f"{task.error.code}: {task.error.message}"
    if task.error is None:
        return "completed"
    fits = task.error.code == expected["code"] and str(expected["says"]) in task.error.message
    return "" if fits else f"{task.error.code}: {task.error.message}"
