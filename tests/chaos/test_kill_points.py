"""SIGKILL before and after each external call of ingest and generate; all calls are tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chaos.promises import assert_each_object_has_one_completed_task, assert_nothing_is_left_at_gemini, settle
from tests.running import Running

Point = tuple[str, str, int]
"""The service, the label by which a fault finds the call, and how many calls with that label come before it."""


def list_calls_without_faults(system: Running, run: str) -> list[Point]:
    """Return the external calls that the functions make for one small file, in order."""
    _finish_one(system, f"warm-up-{run}.txt")
    system.control("DELETE", "/requests")
    _finish_one(system, f"quiet-{run}.txt")
    points: list[Point] = []
    for service in ("firestore", "storage", "gemini", "queue"):
        count: Counter[str] = Counter()
        for call in system.calls(service):
            if (label := _label(service, call["method"], call["path"])) is not None:
                points.append((service, label, count[label]))
                count[label] += 1
    return points


def _label(service: str, method: str, path: str) -> str | None:
    """Return the label by which a fault finds a function's call; None for the test's own calls and for dispatches."""
    if service == "firestore":
        return method if method in ("Commit", "GetDocument", "RunAggregationQuery") else None
    if service == "queue":
        return method if method == "CreateTask" else None
    if service == "gemini":
        steps = ("streamGenerateContent", "/upload/v1beta/files?", "/upload/", method)
        return next(step for step in steps if step in f"{method} {path}")
    objects = next((folder for folder in ("dropsight-inbox/o", "dropsight-results/o") if f"/{folder}" in path), None)
    if objects is None or (objects == "dropsight-inbox/o" and method == "POST"):
        return None
    return f"{method} {path.split(objects)[0]}{objects}"


def _expected_model_calls(service: str, label: str, skip: int, moment: str) -> int:
    """Return 2 if the kill falls after the model has answered and before the answer is stored, else 1."""
    answered = "streamGenerateContent" in label and moment == "after"
    storing = service == "storage" and label.startswith("POST") and skip == 0 and moment == "before"
    return 2 if answered or storing else 1


def _describe_calls(system: Running) -> str:
    calls = system.control("GET", "/requests")
    return "\n".join(f"{call['at']:.3f} {call['method']} {call['path'][:120]}: {call['status']}" for call in calls)


def _finish_one(system: Running, name: str) -> None:
    before = sum(system.states().values())
    system.drop(name, b"a few words", "text/plain")
    system.wait_for_documents(before + 1)


@pytest.fixture(scope="module")
def shared_system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_before_or_after_any_call_only_delays(shared_system: Running, moment: str) -> None:
    system = shared_system
    points = list_calls_without_faults(system, moment)
    assert {service for service, _, _ in points} == {"firestore", "storage", "gemini", "queue"}
    assert len(points) >= 15
    for number, (service, label, skip) in enumerate(points):
        before = len(system.documents())
        system.control("DELETE", "/faults")
        system.control("DELETE", "/requests")
        system.fault(service, label, skip=skip, kill=moment, times=1)
        uri = system.drop(f"{moment}-{number}.txt", b"a few words", "text/plain")
        settle(system, before + 1, seconds=60)
        assert system.control("GET", "/faults") == [], f"{service} {label} {skip} was never reached"
        document = next(document for document in system.documents() if document["source"]["uri"] == uri)
        assert document["status"] == "completed", (service, label, skip, document["error"])
        expected = _expected_model_calls(service, label, skip, moment)
        assert len(system.model_calls()) == expected, f"{service} {label} {skip}:\n{_describe_calls(system)}"
    system.control("DELETE", "/faults")
    assert_nothing_is_left_at_gemini(system)
    names = [document["source"]["uri"] for document in system.documents()]
    assert_each_object_has_one_completed_task(system, sorted(set(names)))
