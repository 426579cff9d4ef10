"""Outages of each service, dropped and cut connections, and time limits."""

from __future__ import annotations

import httpx2
import pytest

from tests.chaos.promises import assert_each_object_has_one_completed_task, assert_nothing_is_left_at_gemini, settle
from tests.running import SAMPLES, Running, until


@pytest.mark.parametrize(
    ("service", "match"),
    [
        ("storage", "/dropsight-results/"),
        ("storage", "alt=media"),
        ("firestore", ""),
        ("queue", "CreateTask"),
        ("gemini", ""),
    ],
)
def test_an_outage_of_half_an_hour_only_delays(system: Running, service: str, match: str) -> None:
    names = [f"{service}-{number}.txt" for number in range(5)]
    system.fault(service, match, status=503)
    uris = system.drop_many(names, lambda name: name.encode())
    system.advance("30m")
    system.control("DELETE", "/faults")
    settle(system, len(names), step="10m")
    assert_each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) == len(names)
    assert_nothing_is_left_at_gemini(system)


def test_an_upload_whose_connection_drops_is_repeated_under_the_same_claim(system: Running) -> None:
    system.fault("gemini", "upload_id", drop=True, times=2)
    uris = [system.drop("dropped.wav", SAMPLES / "speech.wav")]
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    assert system.documents()[0]["token"] == 1
    assert_nothing_is_left_at_gemini(system)


def test_after_a_broken_stream_the_model_is_asked_again_and_no_text_is_doubled(system: Running) -> None:
    system.model(text="one two three four five six seven eight nine ten", chunks=5)
    system.fault("gemini", "streamGenerateContent", cut_after=2, times=1)
    uris = [system.drop("broken-stream.txt", b"count", "text/plain")]
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    content = system.documents()[0]["results"][0]["choices"][0]["message"]["content"]
    assert content == "one two three four five six seven eight nine ten"


def test_a_connection_that_breaks_while_the_model_thinks_counts_as_one_attempt(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", drop=True, times=1)
    uris = [system.drop("broken-off.txt", b"think", "text/plain")]
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    assert system.documents()[0]["attempts"] == 1
    assert len(system.model_calls(answered=False)) == 2, "the broken call, and the answered one"


def test_a_finished_upload_is_not_repeated_if_its_state_cannot_be_read(system: Running) -> None:
    system.model(processing="5s")
    system.fault("gemini", "GET /v1beta/files", status=503, times=6)
    uris = [system.drop("looked-at.wav", SAMPLES / "speech.wav")]
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    starts = [call for call in system.calls("gemini", "POST /upload/v1beta/files") if "upload_id" not in call["path"]]
    assert len(starts) == 1
    assert_nothing_is_left_at_gemini(system)


def test_a_file_that_gemini_has_lost_is_uploaded_again(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay="60s")
    uris = [system.drop("forgotten.txt", b"carry me twice", "text/plain")]
    until(lambda: any(document["waiting"] for document in system.documents()), 20, lambda: f"{system.documents()}")
    for name in system.gemini_files():
        httpx2.delete(f"{system.endpoints.gemini}/v1beta/{name}", headers={"x-goog-api-key": "any"}, timeout=60)
    system.control("DELETE", "/faults")
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    assert_nothing_is_left_at_gemini(system)


def test_after_an_error_in_a_stream_the_model_is_asked_again(system: Running) -> None:
    system.model(text="one two three four five six", chunks=5, error_after=2)
    uris = [system.drop("error-in-stream.txt", b"count", "text/plain")]
    until(lambda: any(document["waiting"] for document in system.documents()), 20, lambda: f"{system.documents()}")
    system.model(error_after=None)
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)


def test_a_task_that_keeps_failing_ends_with_its_error_and_attempts(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=500)
    system.drop("hopeless.txt", b"no way", "text/plain")
    settle(system, 1, step="30m")
    document = system.documents()[0]
    assert document["status"] == "failed"
    assert document["error"]["code"] == "upstream_error"
    assert "8 attempts" in document["error"]["message"]
    assert_nothing_is_left_at_gemini(system)


def test_a_task_over_its_age_limit_fails_and_names_what_it_waited_for() -> None:
    with Running(DROPSIGHT_TASK_MAX_AGE_HOURS="2") as system:
        system.fault("gemini", "streamGenerateContent", status=429, retry_delay="60s")
        system.drop("too-old.txt", b"patience", "text/plain")
        settle(system, 1, step="30m")
        error = system.documents()[0]["error"]
        assert error["code"] == "deadline_exceeded"
        assert "rate limit" in error["message"]
        assert_nothing_is_left_at_gemini(system)


def test_a_task_does_not_wait_past_its_age_limit() -> None:
    with Running(DROPSIGHT_TASK_MAX_AGE_HOURS="2") as system:
        system.fault("gemini", "streamGenerateContent", status=429, retry_delay="20h")
        for name in ("first.txt", "second.txt"):
            system.drop(name, b"patience", "text/plain")
        until(
            lambda: sum(bool(document["waiting"]) for document in system.documents()) == 2,
            20,
            lambda: f"{system.states()}",
        )
        system.advance("2h5m")
        settle(system, 2, step="1s")
        assert {document["error"]["code"] for document in system.documents()} == {"deadline_exceeded"}
        assert_nothing_is_left_at_gemini(system)


def test_work_over_the_time_limit_of_a_dispatch_continues_in_the_next() -> None:
    with Running(DROPSIGHT_TIME_LIMIT_SECONDS="5", DROPSIGHT_LEASE_SECONDS="20") as system:
        system.model(latency="60s")
        uris = [system.drop("slow.txt", b"slow", "text/plain")]
        until(lambda: system.logged("task_put_off"), 30, lambda: system.whole_log[-2000:])
        assert system.logged("task_put_off")[0]["reason"] == "time_limit"
        system.model(latency=None)
        settle(system, 1, step="10s")
        assert_each_object_has_one_completed_task(system, uris)
        assert_nothing_is_left_at_gemini(system)


def test_a_model_that_never_finishes_is_given_up_after_the_last_attempt() -> None:
    with Running(DROPSIGHT_TIME_LIMIT_SECONDS="5", DROPSIGHT_MAX_ATTEMPTS="3") as system:
        system.model(latency="60s")
        system.drop("endless.txt", b"on and on", "text/plain")
        settle(system, 1, step="6s")
        error = system.documents()[0]["error"]
        assert error["code"] == "upstream_error"
        assert "3 attempts" in error["message"]
        assert len(system.model_calls(answered=False)) == 3
        assert_nothing_is_left_at_gemini(system)


def test_a_takeover_finds_an_answer_that_storage_did_not_accept(system: Running) -> None:
    system.fault("storage", "/b/dropsight-results", status=503)
    system.fault("firestore", "Commit", skip=3, kill="before", times=1)
    uris = [system.drop("paid-once.txt", b"paid once", "text/plain")]
    until(lambda: system.control("GET", "/faults")[-1]["match"] != "Commit", 60, lambda: f"{system.documents()}")
    system.control("DELETE", "/faults")
    settle(system, 1)
    assert_each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) == 1
