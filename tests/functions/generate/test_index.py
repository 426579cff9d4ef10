"""Dropped files are added to an index; a question is answered from those that its asker may see, with citations."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SETTINGS, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECIPES = b"""
[[recipe]]
name = "contract"
takes = ["pdf", "text"]
for = { prefix = "contracts/" }
prompt = "Summarise it."
index = "contracts"
"""


async def added(system: System, name: str, text: str) -> Task:
    await system.drop("recipes.toml", RECIPES, bucket=SETTINGS)
    system.clock.advance(30)
    system.model.script.append({"text": f"A summary of {name}."})
    return await system.answered(f"contracts/{name}", text.encode(), bucket=RULED)


async def asked(system: System, name: str, question: str) -> Task:
    return await system.requested(name, index="contracts", messages=[{"role": "user", "content": question}])


async def test_a_question_is_answered_with_citations(system: System) -> None:
    task = await added(system, "lease.txt", "The rent of the warehouse is 4,200 euros a month.")
    assert task.warnings == (), task
    answer = await asked(system, "one", "What is the rent of the warehouse?")
    print(answer)
    assert 0
