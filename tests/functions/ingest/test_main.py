"""The object of an event: which fields ingest reads, and which events it refuses to understand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from cloudevents.http.event import CloudEvent

from shared.domain.tasks.task import Source
from tests.environment import function_environment

DATA = {
    "bucket": "inbox",
    "name": "Übung 100% 🎧.wav",
    "generation": "1767225600000000",
    "size": "12",
    "contentType": "audio/wav",
    "timeCreated": "2026-01-01T00:00:00.000Z",
}


@pytest.fixture
def source_of_event(monkeypatch: pytest.MonkeyPatch) -> Callable[[CloudEvent], Source]:
    for name, value in function_environment().items():
        monkeypatch.setenv(name, value)
    module = importlib.import_module("functions.ingest.main")
    return cast(Callable[[CloudEvent], Source], module.source_of_event)


def an_event(**changes: Any) -> CloudEvent:
    attributes = {"type": "google.cloud.storage.object.v1.finalized", "source": "//storage.googleapis.com"}
    return CloudEvent(attributes, {name: value for name, value in {**DATA, **changes}.items() if value is not None})


def test_the_object_is_named_as_the_event_names_it(source_of_event: Callable[[CloudEvent], Source]) -> None:
    source = source_of_event(an_event())
    assert source.uri == "gs://inbox/Übung 100% 🎧.wav"
    assert (source.generation, source.size, source.content_type) == (1767225600000000, 12, "audio/wav")
    assert source.created_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_object_may_lack_a_size_and_a_type(source_of_event: Callable[[CloudEvent], Source]) -> None:
    source = source_of_event(an_event(size=None, contentType=None))
    assert (source.size, source.content_type) == (0, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"bucket": None},
        {"generation": None},
        {"generation": "x"},
        {"timeCreated": "yesterday"},
        {"name": "lone surrogate \ud800"},
    ],
)
def test_an_event_without_what_names_an_object_is_malformed(
    source_of_event: Callable[[CloudEvent], Source], changes: dict[str, Any]
) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        source_of_event(an_event(**changes))
