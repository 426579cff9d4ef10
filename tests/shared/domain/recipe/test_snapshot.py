"""Recipe snapshots on tasks are read as earlier versions stored them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shared.domain.recipe.snapshot import questions_of
from shared.domain.request.validation import read_and_check
from shared.domain.tasks.task import Ran

SNAPSHOTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "tasks" / "ran_of_requests_1_0.json").read_text())
"""What version 1.0 stored on the tasks of requests."""


@pytest.mark.parametrize(
    ("stored", "outputs", "schema"),
    [
        ("plain", ("md",), None),
        ("text", ("md",), None),
        ("every setting", ("md",), None),
        ("json object", ("json",), {"type": "object"}),
        ("json schema", ("json",), ["a"]),
        ("recipe", ("txt", "srt", "vtt", "json"), ["language", "segments"]),
        ("recipe with functions", ("txt",), None),
        ("recipe with a schema", ("json", "csv"), ["a"]),
    ],
)
def test_what_a_request_of_the_first_version_publishes_is_read_from_its_task(
    stored: str, outputs: tuple[str, ...], schema: Any
) -> None:
    [question] = questions_of(Ran.model_validate(SNAPSHOTS[stored]))
    assert question.outputs == outputs
    required = question.response_schema and question.response_schema.get("required", question.response_schema)
    assert required == schema


def test_a_task_that_asked_nothing_publishes_nothing() -> None:
    assert questions_of(None) == ()


def test_the_snapshot_of_a_request_holds_its_settings_and_nothing_of_its_conversation() -> None:
    messages = [{"role": "user", "content": "a secret"}]
    fields = {"model": "gemini-3.8-flash", "messages": messages, "system_prompt": "a secret", "temperature": 0.5}
    ran = read_and_check(json.dumps(fields).encode(), date(2026, 11, 26)).recipe.ran()
    assert (ran.recipe, ran.snapshot["parameters"]) == ("request", {"temperature": 0.5})
    assert "secret" not in json.dumps(ran.snapshot)
    assert [question.outputs for question in questions_of(ran)] == [("md",)]
