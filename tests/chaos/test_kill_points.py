"""SIGKILL before and after every external call of ingest and generate; the calls are enumerated, not sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chaos.promises import each_object_has_one_completed_task, nothing_is_left_at_gemini, settle
from tests.running import Running

Point = tuple[str, str, int]
"""A service, the label by which a fault finds the call, and how many calls of that label come before it."""


def calls_of_the_quiet_path(system: Running, run: str) -> list[Point]:
    """Every external call that the functions make for one small file, in order."""
    _finish_one(system, f"warm-up-{run}.txt")
    system.control("DELETE", "/requests")
    _finish_one(system, f"quiet-{run}.txt")
    points: list[Point] = []
    for service in ("firestore", "storage", "gemini", "queue"):
        seen: Counter[str] = Counter()
        for call in system.calls(service):
            if (label := _label(service, call["method"], call["path"])) is not None:
                points.append((service, label, seen[label]))
                seen[label] += 1
    return points


def _label(service: str, method: str, path: str) -> str | None:
    """How a fault names a call of a function; None for the test's own calls and for dispatches."""
    if service == "firestore":
        return method if method in ("Commit", "BatchGetDocuments", "RunAggregationQuery") else None
    if service == "queue":
        return method if method == "CreateTask" else None
    if service == "gemini":
        steps = ("streamGenerateContent", "/upload/v1beta/files?", "/upload/", method)
        return next(step for step in steps if step in f"{method} {path}")
    objects = next((each for each in ("dropsight-inbox/o", "dropsight-results/o") if f"/{each}" in path), None)
    if objects is None or (objects == "dropsight-inbox/o" and method == "POST"):
        return None
    return f"{method} {path.split(objects)[0]}{objects}"


def _billed(service: str, label: str, skip: int, moment: str) -> int:
    """One call; a second one only where the kill fell between the model's answering and its answer being stored."""
    answered = "streamGenerateContent" in label and moment == "after"
    storing = service == "storage" and label.startswith("POST") and skip == 0 and moment == "before"
    return 2 if answered or storing else 1


def _finish_one(system: Running, name: str) -> None:
    before = sum(system.states().values())
    system.drop(name, b"a few words", "text/plain")
    system.wait_for_documents(before + 1)


@pytest.fixture(scope="module")
def shared_system() -> Iterator[Running]:
    with Running() as running:
        yield running


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_around_any_call_costs_nothing_but_time(shared_system: Running, moment: str) -> None:
    system = shared_system
    points = calls_of_the_quiet_path(system, moment)
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
        document = next(each for each in system.documents() if each["source"]["uri"] == uri)
        assert document["status"] == "completed", (service, label, skip, document["error"])
        assert len(system.model_calls()) == _billed(service, label, skip, moment), (service, label, skip)
    system.control("DELETE", "/faults")
    nothing_is_left_at_gemini(system)
    names = [document["source"]["uri"] for document in system.documents()]
    each_object_has_one_completed_task(system, sorted(set(names)))
