"""A dropped file and a request are answered; what the other tests of this folder look at more closely."""

from __future__ import annotations

from tests.running import ENDED, SAMPLES, Running, until


def test_a_dropped_file_is_answered(system: Running) -> None:
    task = system.end_of(system.drop("talk.wav", SAMPLES / "speech.wav"))
    assert (task["status"], task["error"]) == ("completed", None)
    assert "stand-in" in task["results"][0]["choices"][0]["message"]["content"]


def test_a_request_is_answered(system: Running) -> None:
    question = {"model": "gemini-3.5-flash-lite", "messages": [{"role": "user", "content": "Say something."}]}
    submitted = system.http.post("/v1/llm/generations", json=question)
    assert submitted.status_code == 200, submitted.text
    where = f"/v1/tasks/{submitted.json()['id']}"
    until(lambda: system.http.get(where).json()["status"] in ENDED, 30, lambda: system.http.get(where).text)
    task = system.http.get(where).json()
    assert (task["status"], task["error"]) == ("completed", None)
    assert "stand-in" in task["results"][0]["choices"][0]["message"]["content"]


def test_an_event_delivered_five_times_makes_one_task_and_one_model_call(system: Running) -> None:
    system.control("PUT", "/events", {"copies": 5})
    uri = system.drop("five-times.txt", b"only once, please", "text/plain")
    system.end_of(uri)
    system.control("POST", "/events/replay", {"times": 1})
    until(lambda: not system.under_way(), 20, lambda: f"{system.under_way()}")
    assert len(system.tasks(object=uri)) == 1
    assert len(system.model_calls()) == 1
