"""Lost events, lost dispatches and an expired lease: one sweep repairs them, and a second finds nothing."""

from __future__ import annotations

import os
import signal

from tests.chaos.promises import assert_each_object_has_one_completed_task, assert_nothing_is_left_at_gemini, settle
from tests.running import Running, until

_REPAIRS = (
    "leases_expired",
    "dispatches_lost",
    "after_work_unfinished",
    "objects_without_task",
    "files_deleted",
    "errors",
)


def list_repairs(report: dict[str, int]) -> dict[str, int]:
    """Return the counts of what a sweep repaired."""
    return {name: report[name] for name in _REPAIRS if report[name]}


def test_one_sweep_repairs_lost_events_and_a_second_finds_nothing(system: Running) -> None:
    system.control("PUT", "/events", {"hold": True})
    uris = system.drop_many([f"lost-{number}.txt" for number in range(20)], lambda name: name.encode())
    assert system.control("POST", "/events/lose", {})["lost"] >= 20
    system.control("PUT", "/events", {"hold": False})
    system.advance("10m")
    assert system.sweep()["objects_without_task"] == 20
    settle(system, 20)
    assert_each_object_has_one_completed_task(system, uris)
    system.advance("10m")
    assert list_repairs(system.sweep()) == {}
    assert len(system.model_calls()) == 20


def test_one_sweep_repairs_lost_dispatches_and_a_second_finds_nothing(system: Running) -> None:
    system.fault("gemini", "streamGenerateContent", status=429, retry_delay="120s")
    uris = system.drop_many([f"lost-{number}.txt" for number in range(20)], lambda name: name.encode())
    until(
        lambda: sum(bool(document["waiting"]) for document in system.documents()) == 20,
        30,
        lambda: f"{system.states()}",
    )
    system.control("DELETE", "/faults")
    assert system.control("POST", "/dispatches/lose", {})["lost"] == 20
    system.advance("20m")
    assert system.states() == {"processing": 20}
    assert system.sweep()["dispatches_lost"] == 20
    settle(system, 20)
    assert_each_object_has_one_completed_task(system, uris)
    system.advance("10m")
    assert list_repairs(system.sweep()) == {}


def test_a_sweep_runs_no_expired_task_again() -> None:
    with Running(DROPSIGHT_TASK_DAYS="1") as system:
        system.drop_many([f"old-{number}.txt" for number in range(3)], lambda name: name.encode())
        settle(system, 3)
        system.advance("30h")
        until(lambda: not system.documents(), 20, lambda: f"{len(system.documents())} documents are left")
        assert list_repairs(system.sweep()) == {}
        system.advance("60h")
        assert list_repairs(system.sweep()) == {}
        assert len(system.model_calls()) == 3


def test_a_sweep_resumes_unfinished_after_work(system: Running) -> None:
    # The first write to the results bucket is the raw answer; the published files follow.
    system.fault("storage", "POST /upload/storage/v1/b/dropsight-results", skip=1, status=503)
    system.drop("unpublished.txt", b"publish me", "text/plain")
    until(lambda: system.states()["completed"] == 1, 30, lambda: f"{system.documents()}")
    assert system.open_documents() == 1
    system.control("POST", "/dispatches/lose", {})
    system.control("DELETE", "/faults")
    system.advance("10m")
    system.sweep()
    settle(system, 1)
    published = system.results.blob(f"{system.endpoints.inbox}/unpublished.txt.task.json")
    assert published.exists()


def test_after_work_that_cannot_succeed_is_given_up_with_a_warning() -> None:
    with Running(DROPSIGHT_TASK_MAX_AGE_HOURS="2") as system:
        system.fault("storage", "POST /upload/storage/v1/b/dropsight-results", skip=1, status=403)
        system.drop("unpublished.txt", b"publish me", "text/plain")
        until(lambda: system.states()["completed"] == 1, 30, lambda: f"{system.documents()}")
        assert system.open_documents() == 1
        system.advance("3h")
        system.sweep()
        settle(system, 1)
        document = system.documents()[0]
        assert document["status"] == "completed"
        assert any("could not be published" in warning for warning in document["warnings"])
        assert_nothing_is_left_at_gemini(system)


def test_a_worker_that_is_stopped_until_its_lease_has_expired_writes_nothing_later() -> None:
    with Running(WORKERS="2", DROPSIGHT_LEASE_SECONDS="20") as system:
        system.model(latency="60s", text="the first answer")
        uris = [system.drop("sleepy.txt", b"zzz", "text/plain")]
        until(lambda: system.model_calls(answered=False), 20, lambda: "the model was never asked")
        sleeper = _holder(system)
        os.kill(sleeper, signal.SIGSTOP)
        try:
            system.model(latency=None, text="the second answer")
            system.advance("5m")
            until(lambda: system.sweep()["leases_expired"] == 1, 20, lambda: f"{system.documents()}")
            settle(system, 1, step="10s")
        finally:
            os.kill(sleeper, signal.SIGCONT)
        until(lambda: system.logged("lease_lost"), 30, lambda: system.whole_log[-3000:])
        assert_each_object_has_one_completed_task(system, uris)
        document = system.documents()[0]
        assert document["results"][0]["choices"][0]["message"]["content"] == "the second answer"
        assert document["token"] == 2
        assert_nothing_is_left_at_gemini(system)


def _holder(system: Running) -> int:
    """Return the process id of the generate worker that is connected to Gemini."""
    import psutil

    port = int(system.endpoints.gemini.rsplit(":", 1)[1])
    for pid in system.control("GET", "/workers")["generate"]["pids"]:
        connections = psutil.Process(pid).net_connections("tcp")
        if any(peer.raddr and peer.raddr.port == port and peer.status == "ESTABLISHED" for peer in connections):
            return int(pid)
    raise AssertionError("no worker is connected to Gemini")


def test_backfill_makes_tasks_of_older_objects_and_a_dry_run_only_counts_them(system: Running) -> None:
    system.control("PUT", "/events", {"hold": True})
    uris = system.drop_many([f"archive/{number}.txt" for number in range(10)], lambda name: name.encode())
    system.drop("elsewhere/other.txt", b"not this one")
    system.control("POST", "/events/lose", {})
    system.control("PUT", "/events", {"hold": False})
    system.advance("72h")
    assert list_repairs(system.sweep()) == {}
    prefix = f"gs://{system.endpoints.inbox}/archive/"
    counted = system.sweep(backfill=prefix, dry_run=True)
    assert (counted["objects"], counted["without_task"]) == (10, 10)
    assert system.documents() == []
    assert system.sweep(backfill=prefix)["without_task"] == 10
    settle(system, 10)
    assert_each_object_has_one_completed_task(system, uris)
    assert system.sweep(backfill=prefix)["without_task"] == 0


def test_tasks_over_the_daily_cap_wait_for_the_next_day() -> None:
    with Running(DROPSIGHT_INBOXES='{"dropsight-inbox": {"daily_cap": 5}}') as system:
        system.move_to_morning()
        uris = [system.drop(f"{number}.txt", b"one of many", "text/plain") for number in range(12)]
        until(lambda: sum(system.states().values()) == 12, 30, lambda: f"{system.states()}")
        until(lambda: system.states()["completed"] == 5, 30, lambda: f"{system.states()}")
        waiting = [document["waiting"] for document in system.documents() if document["status"] == "pending"]
        assert {entry["reason"] for entry in waiting} == {"inbox_cap"}
        assert len({entry["until"] for entry in waiting}) == 2
        settle(system, 12, step="12h")
        assert_each_object_has_one_completed_task(system, uris)


def test_a_backlog_of_more_than_a_month_is_worked_off() -> None:
    with Running(DROPSIGHT_INBOXES='{"dropsight-inbox": {"daily_cap": 1}}', DROPSIGHT_TASK_DAYS="60") as system:
        names = [f"{number}.txt" for number in range(32)]
        uris = [system.drop(name, b"one of many", "text/plain") for name in names]
        until(lambda: sum(system.states().values()) == len(names), 30, lambda: f"{system.states()}")
        settle(system, len(names), step="40h")
        assert_each_object_has_one_completed_task(system, uris)


def test_only_objects_under_an_inboxs_prefixes_make_tasks() -> None:
    with Running(DROPSIGHT_INBOXES='{"dropsight-inbox": {"prefixes": ["in/"]}}') as system:
        inside = system.drop("in/yes.txt", b"take me", "text/plain")
        system.drop("out/no.txt", b"leave me", "text/plain")
        system.bucket(system.endpoints.results).blob("in/own-output.txt").upload_from_string("not me")
        settle(system, 1)
        system.advance("10m")
        system.sweep()
        settle(system, 1)
        assert_each_object_has_one_completed_task(system, [inside])
