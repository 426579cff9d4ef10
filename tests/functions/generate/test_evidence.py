"""An extraction with evidence: the user's JSON stays as its schema has it, and each quote is looked up in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SETTINGS, System
from tests.pdf_text import pdf_with_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

RECIPE = """
[[recipe]]
name = "invoice"
takes = ["pdf", "text"]
for = { prefix = "invoices/" }
prompt = "Extract the total and the tax."
evidence = true
outputs = ["json"]
response_schema = { type = "object", properties = { total = { type = "number" }, tax = { type = "number" } }, \
required = ["total"] }
"""
PDF = pdf_with_text([["Cover"], ["Invoice 4711", "Total: 119.00 EUR"]])
ANSWER = {"total": 119.0, "tax": 19.0}
EVIDENCE = [
    {"path": "total", "quote": "Total: 119.00 EUR", "page": 1},
    {"path": "tax", "quote": "VAT 19.00", "page": 2},
]


def message_of(task: Task) -> dict[str, Any]:
    assert task.results is not None, task.error
    return task.results[0]["choices"][0]["message"]  # type: ignore[index,call-overload,return-value]


async def extracted(system: System, name: str, data: bytes, evidence: Any = EVIDENCE) -> Task:
    await system.drop("recipes.toml", RECIPE.encode(), bucket=SETTINGS)
    system.clock.advance(30)
    system.model.script.append({"text": json.dumps({"answer": ANSWER, "evidence": evidence})})
    return await system.answered(f"invoices/{name}", data, bucket=RULED)


async def test_a_true_quote_gets_its_page_and_box_and_an_invented_one_a_warning(system: System) -> None:
    task = await extracted(system, "a.pdf", PDF)
    message = message_of(task)
    assert json.loads(message["content"]) == ANSWER
    total, tax = message["evidence"]
    assert (total["match"], total["page"]) == ("exact", 2)
    assert len(total["boxes"][0]["box_2d"]) == 4
    assert (tax["match"], tax["page"], tax["boxes"]) == ("missing", 2, [])
    assert "Quotes that are not in the source, so their values may be invented: tax." in task.warnings
    assert json.loads((await system.published(task))["json"]) == ANSWER


async def test_the_model_is_asked_for_the_answer_and_the_quotes_in_one_call(system: System) -> None:
    await extracted(system, "b.pdf", PDF)
    assert len(system.model.asked) == 1
    sent = system.model.asked[0][1]["generationConfig"]["responseJsonSchema"]
    assert list(sent["properties"]) == ["answer", "evidence"]


async def test_quotes_of_a_text_are_looked_up_in_it(system: System) -> None:
    task = await extracted(system, "c.txt", b"Invoice 4711\nTotal:   119.00 EUR\nvat 19,00\n")
    assert [entry["match"] for entry in message_of(task)["evidence"]] == ["exact", "normalised"]
    assert task.warnings == ()


async def test_a_value_without_a_quote_is_told(system: System) -> None:
    task = await extracted(system, "d.pdf", PDF, EVIDENCE[:1])
    assert "Values without a quote: tax." in task.warnings


async def test_a_manifest_may_ask_for_evidence_about_an_object(system: System) -> None:
    uri = await system.drop("plain/e.txt", b"Total: 119.00 EUR")
    system.model.script.clear()
    await system.until(uri, lambda task: task.terminal and not task.after)
    system.model.script.append({"text": json.dumps({"answer": {"total": 119}, "evidence": EVIDENCE[:1]})})
    schema = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    content = [
        {"type": "file_url", "file_url": {"url": uri}},
        {"type": "text", "text": "Extract the total."},
    ]
    task = await system.requested(
        "evidence",
        messages=[{"role": "user", "content": content}],
        response_format={"type": "json_schema", "json_schema": {"name": "invoice", "schema": schema}},
        evidence=True,
    )
    assert message_of(task)["evidence"][0]["match"] == "exact"
    assert json.loads(message_of(task)["content"]) == {"total": 119}
