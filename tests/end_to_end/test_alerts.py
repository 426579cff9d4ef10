"""Each alert in terraform/monitoring.tf fires on what it is about: its condition is made true on the local system, and
the lines that its metric counts, by the metric's own filter, are there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from tests.chaos.promises import settle
from tests.running import ROOT, SAMPLES, Running, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

TERRAFORM = (ROOT / "terraform" / "monitoring.tf").read_text()
QUEUE = "projects/dropsight-local/locations/local/queues/dispatch"
NOWHERE = "http://127.0.0.1:9/hook"
SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_COUNTED = re.compile(r'^    (\w+) += \{ from = (.+?), filter = "((?:[^"\\]|\\.)*)" \}$', re.MULTILINE)
_ALERT = re.compile(r"^    (\w+) = \{\n      title .*?^    \}$", re.MULTILINE | re.DOTALL)
_ANY_OF = re.compile(r'jsonPayload\.(\w+)=\(?((?:"[^"]*"(?: OR )?)+)\)?')
_PRESENT = re.compile(r"jsonPayload\.(\w+):\*")
_SEVERE = re.compile(r"severity>=(\w+)")
METRICS = {name: filter_.replace('\\"', '"') for name, _, filter_ in _COUNTED.findall(TERRAFORM)}
FROM = {name: re.findall(r'"(\w+)"', functions) for name, functions, _ in _COUNTED.findall(TERRAFORM)}
ALERTS = [match[1] for match in _ALERT.finditer(TERRAFORM)]


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    # The budget is for keys only: dropped files have none.
    with Running(DROPSIGHT_KEY_DAILY_BUDGET="0.000001", DROPSIGHT_ALLOW_LOOPBACK="true") as running:
        running.move_to_morning()
        yield running


def is_counted(line: dict[str, Any], metric: str) -> bool:
    """Whether a line of the log is one that the metric counts."""
    functions = FROM[metric]
    if functions and line.get("function") not in functions:
        return False
    for condition in METRICS[metric].split(" AND "):
        if match := _ANY_OF.fullmatch(condition):
            holds = line.get(match[1]) in re.findall(r'"([^"]*)"', match[2])
        elif match := _PRESENT.fullmatch(condition):
            holds = match[1] in line
        elif match := _SEVERE.fullmatch(condition):
            severity = line.get("severity", "DEFAULT")
            holds = severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(match[1])
        else:
            raise AssertionError(f"this test does not know the condition {condition!r}")
        if not holds:
            return False
    return True


def count(system: Running, metric: str) -> int:
    lines = [json.loads(line) for line in system.whole_log.splitlines() if line.startswith("{")]
    return sum(is_counted(line, metric) for line in lines)


def grows(system: Running, metric: str, by: int, *, step: str | None = None) -> None:
    """Wait until the metric has counted `by` more than before the scenario; the clock moves by `step` meanwhile."""

    def enough() -> bool:
        if step is not None and not system.control("GET", "/dispatches")["in_flight"]:
            system.advance(step)
        return count(system, metric) - _before[metric] >= by

    until(enough, 120, lambda: f"{metric}: {_before[metric]}, then {count(system, metric)}", pause=0.3)


_before: dict[str, int] = {}


def waiting_dispatches(system: Running) -> list[Any]:
    channel = grpc.insecure_channel(system.endpoints.queue)
    client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    listed = list(client.list_tasks(parent=QUEUE))
    channel.close()
    return listed


def submit(system: Running, **fields: object) -> None:
    messages = [{"role": "user", "content": "Say something."}]
    answer = system.http.post(
        "/v1/llm/generations", json={"model": "gemini-3.5-flash-lite", "messages": messages, **fields}
    )
    assert answer.status_code == 200, answer.text


def files_fail(system: Running) -> None:
    for number in range(5):
        system.drop(f"failing/{number}.wav", (SAMPLES / "speech.wav").read_bytes()[:30], "audio/wav")
    grows(system, "tasks_failed", 5)
    failed, completed = (count(system, name) - _before[name] for name in ("tasks_failed", "tasks_completed"))
    assert failed / (failed + completed) > 0.2


def the_key_is_refused(system: Running) -> None:
    system.model(key="invalid")
    system.drop("blocked.txt", b"some words", "text/plain")
    grows(system, "tasks_blocked", 1)


def firestore_refuses(system: Running) -> None:
    """Five requests are answered 5xx, and their errors stand in the log."""
    system.fault("firestore", "", status=403)
    answers = [system.http.get("/v1/tasks") for _ in range(5)]
    assert [answer.status_code // 100 for answer in answers] == [5] * 5
    grows(system, "bugs", 4)


def generate_does_not_answer(system: Running) -> None:
    """Dispatches pile up on the queue, and the oldest is overdue."""
    system.fault("firestore", "GetDocument", status=403)
    for number in range(5):
        system.drop(f"deep/{number}.txt", b"some words", "text/plain")
    until(lambda: len(waiting_dispatches(system)) >= 5, 60, lambda: f"{len(waiting_dispatches(system))} wait")
    system.advance("31m")
    now = system.control("GET", "/clock")["time"]
    until(
        lambda: any(now - task.create_time.timestamp() >= 1800 for task in waiting_dispatches(system)),
        60,
        lambda: f"{waiting_dispatches(system)}",
    )


def a_keys_budget_is_spent(system: Running) -> None:
    """The first request holds the budget while it is answered, which is no alert; what it costs spends it."""
    system.advance("24h")
    system.model(latency="30s")
    submit(system)
    until(lambda: system.calls("gemini", "enerateContent"), 60, lambda: "the model was not asked")
    submit(system)
    until(lambda: waits_for(system, "Calls under way"), 60, lambda: f"{system.tasks()}")
    assert count(system, "budget_refusals") == _before["budget_refusals"]
    system.model(reset=True)
    system.advance("40s")
    grows(system, "budget_refusals", 1, step="30s")
    until(lambda: waits_for(system, "is spent"), 60, lambda: f"{system.tasks()}")
    system.advance("24h")


def waits_for(system: Running, words: str) -> bool:
    return any(words in task["waiting"]["detail"] for task in system.tasks() if task.get("waiting"))


def the_model_fails(system: Running) -> None:
    system.fault("gemini", "enerateContent", status=503)
    for number in range(25):
        system.drop(f"overloaded/{number}.txt", b"some words", "text/plain")
    grows(system, "breakers_opened", 1)


def events_are_lost(system: Running) -> None:
    system.control("PUT", "/events", {"hold": True})
    for number in range(11):
        system.drop(f"lost/{number}.txt", b"some words", "text/plain")
    system.control("POST", "/events/lose", {})
    system.control("PUT", "/events", {"hold": False})
    system.advance("10m")
    system.sweep()
    grows(system, "sweep_findings", 11)


def no_sweep_finishes(system: Running) -> None:
    system.advance("61m")
    assert count(system, "sweeps_finished") == _before["sweeps_finished"]
    system.sweep()
    grows(system, "sweeps_finished", 1)


def many_tasks_are_made(system: Running) -> None:
    """Each task counts once, however often its event comes."""
    system.control("PUT", "/events", {"copies": 5})
    for number in range(30):
        system.drop(f"storm/{number}.txt", b"some words", "text/plain")
    grows(system, "tasks_created", 30)
    until(lambda: not system.under_way(), 60, lambda: f"{system.under_way()}")
    assert count(system, "tasks_created") - _before["tasks_created"] == 30


def a_receiver_is_down(system: Running) -> None:
    submit(system, callback_url=NOWHERE)
    grows(system, "callbacks_refused", 21, step="30m")
    system.advance("24h")


SCENARIOS: dict[str, Callable[[Running], None]] = {
    "failed_ratio": files_fail,
    "blocked": the_key_is_refused,
    "errors": firestore_refuses,
    "bugs": firestore_refuses,
    "queue_depth": generate_does_not_answer,
    "queue_delay": generate_does_not_answer,
    "callbacks": a_receiver_is_down,
    "budget_spent": a_keys_budget_is_spent,
    "breaker_opened": the_model_fails,
    "sweep_findings": events_are_lost,
    "sweep_silent": no_sweep_finishes,
    "spend": many_tasks_are_made,
}


def test_every_alert_has_a_scenario() -> None:
    assert sorted(ALERTS) == sorted(SCENARIOS)
    assert set(METRICS) == {
        "tasks_created", "tasks_completed", "tasks_failed", "tasks_blocked", "budget_refusals", "breakers_opened",
        "sweeps_finished", "sweep_findings", "callbacks_refused", "bugs",
    }  # fmt: skip


@pytest.mark.parametrize("scenario", dict.fromkeys(SCENARIOS.values()), ids=lambda scenario: scenario.__name__)
def test_an_alert_finds_what_it_is_about(system: Running, scenario: Callable[[Running], None]) -> None:
    _before.update({metric: count(system, metric) for metric in METRICS})
    scenario(system)
    system.control("DELETE", "/faults")
    system.model(reset=True)
    settle(system, 0)
