"""Rate limits, daily quotas, a full file store, and a key that stops working."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from google import genai
from google.genai import types

from tests.chaos.promises import assert_each_object_has_one_completed_task, assert_nothing_is_left_at_gemini, settle
from tests.running import Running, until

_TASKS = 1000
_CONCURRENCY = 8
"""Concurrency of the local system's dispatch queue."""
_RETRY = 60


@pytest.mark.timeout(1800)
def test_six_hours_of_429_fail_no_task_and_gemini_is_not_flooded(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay=f"{_RETRY}s")
    uris = system.drop_many((f"waits-{number:04d}.txt" for number in range(_TASKS)), lambda name: name.encode())
    until(lambda: sum(system.states().values()) == _TASKS, 120, lambda: f"{system.states()}", pause=0.5)
    system.advance("6h")
    assert system.states()["failed"] == 0
    refused = [call["at"] for call in system.model_calls(answered=False) if call["status"] == 429]
    assert refused
    assert max(Counter(int((at - refused[0]) // _RETRY) for at in refused).values()) <= _CONCURRENCY
    waiting = next(document for document in system.documents() if document["waiting"])
    assert waiting["waiting"]["reason"] == "rate_limited"
    assert "rate limit" in waiting["waiting"]["detail"]
    system.control("DELETE", "/faults")
    settle(system, _TASKS, seconds=240, step="5m")
    assert_each_object_has_one_completed_task(system, uris)
    assert len([call for call in system.model_calls() if call["status"] == 200]) == _TASKS
    assert_nothing_is_left_at_gemini(system)


def test_tasks_wait_for_the_reset_of_a_spent_daily_quota(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay="5h")
    uris = system.drop_many([f"{number}.txt" for number in range(3)], lambda name: name.encode())
    until(
        lambda: sum(bool(document["waiting"]) for document in system.documents()) == 3,
        20,
        lambda: f"{system.documents()}",
    )
    assert {document["waiting"]["reason"] for document in system.documents()} == {"daily_quota"}
    refused = len(system.model_calls(answered=False))
    system.advance("4h")
    assert len(system.model_calls(answered=False)) == refused
    system.control("DELETE", "/faults")
    settle(system, 3, step="30m")
    assert_each_object_has_one_completed_task(system, uris)


def test_a_key_that_stops_working_holds_tasks_until_it_works_again(system: Running) -> None:
    system.model(key="invalid")
    uris = system.drop_many([f"{number}.txt" for number in range(3)], lambda name: name.encode())
    until(
        lambda: sum(bool(document["waiting"]) for document in system.documents()) == 3,
        20,
        lambda: f"{system.documents()}",
    )
    assert {document["waiting"]["reason"] for document in system.documents()} == {"blocked"}
    assert [line["severity"] for line in system.logged("task_put_off")] == ["ERROR"] * 3
    system.advance("12h")
    assert system.states() == {"processing": 3}
    system.model(key="ok")
    settle(system, 3, step="30m")
    assert_each_object_has_one_completed_task(system, uris)


def test_a_task_waits_for_a_full_file_store_and_leftover_files_are_deleted(system: Running) -> None:
    first = system.drop("first.txt", b"a few words", "text/plain")
    settle(system, 1)
    name = system.calls("gemini", "DELETE")[0]["path"].rsplit("/", 1)[1]
    for file_name in (name, "somebody-elses"):
        _upload(system, file_name, 400 << 10)
    system.advance("5m")
    system.model(store_mib=1)
    second = system.drop("second.txt", b"many words " * 40_000, "text/plain")
    until(lambda: any(document["waiting"] for document in system.documents()), 20, lambda: f"{system.documents()}")
    waiting = next(document["waiting"] for document in system.documents() if document["waiting"])
    assert waiting["reason"] == "file_store_full"
    assert system.gemini_files() == ["files/somebody-elses"]
    settle(system, 2, step="5m")
    assert_each_object_has_one_completed_task(system, [first, second])
    assert system.gemini_files() == ["files/somebody-elses"]


def _upload(system: Running, name: str, size: int) -> None:
    options = types.HttpOptions(base_url=system.endpoints.gemini)
    with genai.Client(api_key="any", http_options=options) as client:
        config = types.UploadFileConfig(name=name, mime_type="text/plain")
        client.files.upload(file=io.BytesIO(b"x" * size), config=config)


def test_a_task_that_waited_uses_the_file_it_had_uploaded(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay="30s", times=1)
    uris = [system.drop("once-uploaded.txt", b"carry me once", "text/plain")]
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    starts = [call for call in system.calls("gemini", "POST /upload/v1beta/files") if "upload_id" not in call["path"]]
    assert len(starts) == 1
    assert_nothing_is_left_at_gemini(system)
