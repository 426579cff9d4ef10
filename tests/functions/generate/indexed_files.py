"""Drop files whose recipe adds them to an index, and look at what is there."""

from __future__ import annotations

from local.standins.gemini import search_stores
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SETTINGS, System

RECIPES = b"""
[[recipe]]
name = "contract"
takes = ["audio", "image", "pdf", "text"]
for = { prefix = "contracts/" }
prompt = "Summarise it."
index = "contracts"
"""


async def dropped(system: System, name: str, text: str) -> str:
    await system.drop("recipes.toml", RECIPES, bucket=SETTINGS)
    system.clock.advance(30)
    system.model.script.append({"text": f"A summary of {name}."})
    return await system.drop(f"contracts/{name}", text.encode(), bucket=RULED)


async def added(system: System, name: str, text: str, *, replaces: Task | None = None) -> Task:
    before = replaces.id if replaces is not None else None
    uri = await dropped(system, name, text)
    return await system.until(uri, lambda task: task.id != before and task.terminal and not task.after)


def documents(system: System) -> list[search_stores.Document]:
    return [document for store in system.model.search_stores.listed() for document in store.documents]


def documents_of(system: System, task: Task) -> list[str]:
    """The media types of the documents of a task, the answer's first."""
    return [entry.mime_type for entry in documents(system) if value_of(entry, "task") == task.id]


def value_of(document: search_stores.Document, key: str) -> str:
    return str(next((item["stringValue"] for item in document.metadata if item["key"] == key), ""))
