"""Each service away for a while; connections dropped and cut; time running out."""

from __future__ import annotations

import httpx2
import pytest

from tests.chaos.promises import each_object_has_one_completed_task, nothing_is_left_at_gemini, settle
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
    each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) == len(names)
    nothing_is_left_at_gemini(system)


def test_an_upload_whose_connection_drops_starts_again_under_the_same_claim(system: Running) -> None:
    system.fault("gemini", "upload_id", drop=True, times=2)
    uris = [system.drop("dropped.wav", SAMPLES / "speech.wav")]
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    assert system.documents()[0]["token"] == 1
    nothing_is_left_at_gemini(system)


def test_a_stream_that_breaks_is_asked_again_and_its_part_is_not_doubled(system: Running) -> None:
    system.model(text="one two three four five six seven eight nine ten", chunks=5)
    system.fault("gemini", "streamGenerateContent", cut_after=2, times=1)
    uris = [system.drop("broken-stream.txt", b"count", "text/plain")]
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    content = system.documents()[0]["results"][0]["choices"][0]["message"]["content"]
    assert content == "one two three four five six seven eight nine ten"


def test_a_connection_that_breaks_while_the_model_thinks_is_an_attempt_and_no_more(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", drop=True, times=1)
    uris = [system.drop("broken-off.txt", b"think", "text/plain")]
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    assert system.documents()[0]["attempts"] == 1
    assert len(system.model_calls(answered=False)) == 2, "the one that broke, and the one that was answered"


def test_an_upload_that_was_finished_is_not_sent_again_for_a_failed_look_at_it(system: Running) -> None:
    system.model(processing="5s")
    system.fault("gemini", "GET /v1beta/files", status=503, times=6)
    uris = [system.drop("looked-at.wav", SAMPLES / "speech.wav")]
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    starts = [call for call in system.calls("gemini", "POST /upload/v1beta/files") if "upload_id" not in call["path"]]
    assert len(starts) == 1
    nothing_is_left_at_gemini(system)


def test_files_that_are_gone_are_uploaded_anew(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay="60s")
    uris = [system.drop("forgotten.txt", b"carry me twice", "text/plain")]
    until(lambda: any(each["waiting"] for each in system.documents()), 20, lambda: f"{system.documents()}")
    for name in system.gemini_files():
        httpx2.delete(f"{system.endpoints.gemini}/v1beta/{name}", headers={"x-goog-api-key": "any"})
    system.control("DELETE", "/faults")
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    nothing_is_left_at_gemini(system)


def test_an_error_within_a_stream_is_asked_again(system: Running) -> None:
    system.model(text="one two three four five six", chunks=5, error_after=2)
    uris = [system.drop("error-in-stream.txt", b"count", "text/plain")]
    until(lambda: any(each["waiting"] for each in system.documents()), 20, lambda: f"{system.documents()}")
    system.model(error_after=None)
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)


def test_what_fails_again_and_again_ends_with_its_reason(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=500)
    system.drop("hopeless.txt", b"no way", "text/plain")
    settle(system, 1, step="30m")
    document = system.documents()[0]
    assert document["status"] == "failed"
    assert document["error"]["code"] == "upstream_error"
    assert "8 attempts" in document["error"]["message"]
    nothing_is_left_at_gemini(system)


def test_a_task_past_its_age_limit_fails_and_says_what_it_waited_for() -> None:
    with Running(DROPSIGHT_TASK_MAX_AGE_HOURS="2") as system:
        system.fault("gemini", "streamGenerateContent", status=429, retry_delay="60s")
        system.drop("too-old.txt", b"patience", "text/plain")
        settle(system, 1, step="30m")
        error = system.documents()[0]["error"]
        assert error["code"] == "deadline_exceeded"
        assert "rate limit" in error["message"]
        nothing_is_left_at_gemini(system)


def test_a_task_does_not_outwait_its_age_limit() -> None:
    with Running(DROPSIGHT_TASK_MAX_AGE_HOURS="2") as system:
        system.fault("gemini", "streamGenerateContent", status=429, retry_delay="20h")
        for name in ("first.txt", "second.txt"):
            system.drop(name, b"patience", "text/plain")
        until(lambda: sum(bool(each["waiting"]) for each in system.documents()) == 2, 20, lambda: f"{system.states()}")
        system.advance("2h5m")
        settle(system, 2, step="1s")
        assert {each["error"]["code"] for each in system.documents()} == {"deadline_exceeded"}
        nothing_is_left_at_gemini(system)


def test_work_longer_than_a_dispatch_may_take_is_handed_to_the_next_one() -> None:
    with Running(DROPSIGHT_TIME_LIMIT_SECONDS="5", DROPSIGHT_LEASE_SECONDS="20") as system:
        system.model(latency="60s")
        uris = [system.drop("slow.txt", b"slow", "text/plain")]
        until(lambda: system.logged("task_put_off"), 30, lambda: system.whole_log[-2000:])
        assert system.logged("task_put_off")[0]["reason"] == "time_limit"
        system.model(latency=None)
        settle(system, 1, step="10s")
        each_object_has_one_completed_task(system, uris)
        nothing_is_left_at_gemini(system)


def test_a_model_that_never_finishes_is_not_asked_for_ever() -> None:
    with Running(DROPSIGHT_TIME_LIMIT_SECONDS="5", DROPSIGHT_MAX_ATTEMPTS="3") as system:
        system.model(latency="60s")
        system.drop("endless.txt", b"on and on", "text/plain")
        settle(system, 1, step="6s")
        error = system.documents()[0]["error"]
        assert error["code"] == "upstream_error"
        assert "3 attempts" in error["message"]
        assert len(system.model_calls(answered=False)) == 3
        nothing_is_left_at_gemini(system)


def test_an_answer_that_storage_cannot_take_is_found_again_by_a_takeover(system: Running) -> None:
    system.fault("storage", "/b/dropsight-results", status=503)
    system.fault("firestore", "Commit", skip=3, kill="before", times=1)
    uris = [system.drop("paid-once.txt", b"paid once", "text/plain")]
    until(lambda: system.control("GET", "/faults")[-1]["match"] != "Commit", 60, lambda: f"{system.documents()}")
    system.control("DELETE", "/faults")
    settle(system, 1)
    each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) == 1
