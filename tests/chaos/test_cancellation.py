"""Cancellation before, during and after the run: each task reaches one terminal state and keeps it."""

from __future__ import annotations

import random
import time

from tests.chaos.promises import assert_nothing_is_left_at_gemini, settle
from tests.running import Running, until

_TASKS = 40


def test_cancelling_at_any_moment_ends_each_task_once(system: Running) -> None:
    system.model(latency="150ms")
    uris = system.drop_many([f"{number}.txt" for number in range(_TASKS)], lambda name: name.encode())
    until(lambda: len(system.tasks()) == _TASKS, 20, lambda: f"{system.states()}")
    order = random.Random(3)
    cancelled: dict[str, dict[str, object]] = {}
    for task in order.sample(system.tasks(), _TASKS // 2):
        answer = system.http.post(f"/v1/tasks/{task['id']}/cancel")
        assert answer.status_code == 200, answer.text
        cancelled[task["id"]] = answer.json()
        time.sleep(order.uniform(0, 0.05))
    settle(system, _TASKS)
    assert {document["source"]["uri"] for document in system.documents()} == set(uris)
    for task in system.tasks():
        if task["id"] in cancelled:
            assert task["status"] == cancelled[task["id"]]["status"]
        if task["status"] == "failed":
            assert task["error"]["code"] == "request_cancelled"
            assert task["id"] in cancelled
    assert system.states()["completed"] >= _TASKS // 2
    assert_nothing_is_left_at_gemini(system)


def test_cancelling_stops_the_model_call_under_way(system: Running) -> None:
    system.model(latency="60s", chunks=600)
    uri = system.drop("long-answer.txt", b"tell me everything", "text/plain")
    until(lambda: system.model_calls(answered=False), 20, lambda: "the model was never asked")
    task = system.task_of(uri)
    system.http.post(f"/v1/tasks/{task['id']}/cancel")
    until(lambda: system.logged("lease_lost"), 15, lambda: system.whole_log[-2000:])
    until(lambda: system.control("GET", "/dispatches")["in_flight"] == 0, 15, lambda: "the dispatch is still running")
    assert system.task_of(uri)["error"]["code"] == "request_cancelled"
    settle(system, 1)
    assert_nothing_is_left_at_gemini(system)
