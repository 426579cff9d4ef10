"""A model that repeats itself is cut off while it answers; the task says so, and what it cost is in its ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.functions.generate.conftest import System, answers

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("loop", ["Thank you for watching.\n", "| Berlin | 12 | yes |\n"])
async def test_a_loop_is_cut_off_and_not_continued(system: System, loop: str) -> None:
    system.model.script.append({"loop": loop})
    task = await system.answered(f"loops/{len(loop)}.txt", b"some words")
    [answer] = answers(task)
    assert answer.startswith(loop * 3)
    assert len(answer) / 4 <= 3 * len(loop) / 4 + 2000
    assert any(warning.startswith("The answer was caught in a loop; it was cut off") for warning in task.warnings)
    assert len(system.model.asked) == 1
    usage: Any = task.usage
    assert len(answer) // 4 <= usage["completion_tokens"] <= len(answer) // 4 + 500
    assert Decimal(usage["cost"]) > 0
    results: Any = task.results
    assert results[0]["choices"][0]["finish_reason"] == "length"


async def test_a_loop_in_a_structured_answer_fails_and_is_not_asked_again(system: System) -> None:
    schema = '{"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}'
    system.model.script.append({"loop": '{"a": "the same"}, '})
    task = await system.answered("loops/schema.txt", b"words", dropsight_recipe="extract", dropsight_schema=schema)
    assert task.error is not None
    assert task.error.code == "schema_not_satisfied"
    assert "was caught in a loop and was cut off" in task.error.message
    assert len(system.model.asked) == 1
    usage: Any = task.usage
    assert usage["calls"] == 1
