"""Documents that version 1.0.0 wrote are read by this version, and written back without losing anything."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared.cloud.firestore import from_document, to_document
from shared.domain.recipe.definition import Recipe


def _with_dates(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["datetime"]) if value.keys() == {"datetime"} else value


DOCUMENTS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("tasks_of_1_0.json").read_text(), object_hook=_with_dates
)
"""Of a task that was dropped with a recipe, metadata and a callback: one document for each state."""


@pytest.mark.parametrize("state", DOCUMENTS)
def test_a_document_of_the_first_version_is_read(state: str) -> None:
    task = from_document(DOCUMENTS[state])
    assert task.status == {"waiting": "processing"}.get(state, state)
    assert task.source.uri == "gs://inbox/talks/monday.wav"
    assert (task.waiting is not None) == (state == "waiting")
    assert bool(task.results) == (state == "completed")
    assert (task.error is not None) == (state == "failed")
    assert task.ran is not None
    assert Recipe.model_validate(task.ran.snapshot).name == "transcribe-timed"


def _plain(document: dict[str, Any]) -> Any:
    """As JSON: tuples are lists, as they are in Firestore."""
    snapshot = json.loads(document["ran"]["snapshot"])
    return json.loads(json.dumps({**document, "ran": {**document["ran"], "snapshot": snapshot}}, default=str))


@pytest.mark.parametrize("state", DOCUMENTS)
def test_a_document_of_the_first_version_is_written_back_whole(state: str) -> None:
    document = _plain(DOCUMENTS[state])
    written = _plain(to_document(from_document(DOCUMENTS[state])))
    assert {name: written.get(name) for name in document} == document
