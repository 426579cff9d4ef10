"""The local system from outside: commands, endpoints, the control server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import httpx2
import psutil
import pytest
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from local.__main__ import _COMMANDS, _STAND_INS, main
from local.client import Client
from local.commands.drop import wait_for_end
from local.layout import QUEUES
from local.target import Target
from tests import machine
from tests.running import ROOT, SAMPLES, Running, until

pytestmark = pytest.mark.long


def command(*words: str, system: Running | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ)
    if system is not None:
        folder = Path(environment.setdefault("DROPSIGHT_TEST_FOLDER", "/tmp"))
        ready = folder / f"ready-{system.pid}.json"
        ready.write_text(system.endpoints.model_dump_json())
        environment["DROPSIGHT_READY_FILE"] = str(ready)
    run = [sys.executable, "-m", "local", *words]
    return subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, timeout=machine.allowed(90), env=environment, check=False
    )


def test_a_results_bucket_that_is_an_inbox_is_refused_at_start() -> None:
    done = command("up", "--port-base", "0", "--set", "DROPSIGHT_RESULTS_BUCKET=dropsight-inbox")
    assert done.returncode == 1
    assert "dropsight-inbox is also an inbox" in done.stderr


@pytest.mark.parametrize("name", [*_COMMANDS, *_STAND_INS])
def test_each_command_has_a_help_text_and_is_listed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: dropsight {name}" in capsys.readouterr().out
    assert main([]) == 2
    assert f"\n  {name} " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo", "drop", "tasks", "show", "env", "sweep", "models"])
def test_each_command_that_looks_something_up_prints_json_on_request(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert "--json" in capsys.readouterr().out


def test_an_unknown_command_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tsaks"])
    assert ended.value.code == 2


def test_a_command_without_a_running_system_says_how_to_start_one() -> None:
    done = command("tasks", "--port-base", "1")
    assert done.returncode == 1
    assert "`dropsight up`" in done.stderr


def test_a_dropped_file_is_waited_for_shown_and_listed(system: Running) -> None:
    dropped = command("drop", str(SAMPLES / "notes.txt"), "--to", "from/cli.txt", "--wait", "--json", system=system)
    assert dropped.returncode == 0, dropped.stderr
    task = json.loads(dropped.stdout)[0]
    assert task["status"] == "completed"
    shown = command("show", task["id"], system=system)
    assert task["results"][0]["choices"][0]["message"]["content"].split("\n")[0] in shown.stdout
    listed = command("tasks", "--object", task["source"], system=system)
    assert listed.stdout.startswith(task["id"])


def test_the_commands_talk_to_the_system_that_the_environment_names(
    system: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DROPSIGHT_READY_FILE", raising=False)
    for name, value in json.loads(command("env", "--json", system=system).stdout).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DROPSIGHT_READY_FILE", raising=False)
    place = f"gs://{system.endpoints.inbox}/named/"
    dropped = command("drop", str(SAMPLES / "notes.txt"), "--to", place, "--wait", "--json")
    assert dropped.returncode == 0, dropped.stderr
    [task] = json.loads(dropped.stdout)
    assert (task["status"], task["source"].partition("#")[0]) == ("completed", f"{place}notes.txt")
    assert task["id"] in command("tasks", "--api", system.endpoints.api).stdout
    assert task["id"] in command("show", task["id"]).stdout


def test_a_deployed_system_is_asked_no_faster_than_its_limit_allows(system: Running) -> None:
    target = Target.of_local_system(system.endpoints)._replace(remote=True)
    with Client(target) as client:
        uri = client.drop_file(SAMPLES / "notes.txt", "remote/notes.txt", {})
        task = wait_for_end(client, str(client.wait_for_task_of(uri)["id"]), 60)
    assert task["status"] == "completed"
    calls = [call for call in system.calls("api") if call["path"].startswith("/v1/tasks/")]
    assert len(calls) <= 3


def test_drop_exits_with_1_if_a_task_failed(system: Running, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    done = command("drop", str(empty), "--wait", system=system)
    assert done.returncode == 1
    assert "empty_file" in done.stdout


def test_env_points_googles_clients_at_the_system(system: Running) -> None:
    done = command("env", system=system)
    assert f"export STORAGE_EMULATOR_HOST={system.endpoints.storage}" in done.stdout


def test_the_ready_file_is_for_its_owner_only(tmp_path: Path) -> None:
    from local import endpoints

    file = tmp_path / "ready.json"
    names = endpoints.Endpoints.model_fields
    endpoints.write_endpoints(file, endpoints.Endpoints(**dict.fromkeys(names, "x")))
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("header", "status"), [("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200)])
def test_the_control_server_answers_loopback_hosts_only(system: Running, header: str, status: int) -> None:
    answer = httpx2.get(f"{system.endpoints.control}/stats", headers={"Host": header}, timeout=60)
    assert answer.status_code == status


def test_the_control_server_takes_json_only(system: Running) -> None:
    answer = httpx2.post(f"{system.endpoints.control}/kill", content="function=generate", timeout=60)
    assert answer.status_code == 415


def test_a_killed_function_comes_back(system: Running) -> None:
    killed = system.control("POST", "/kill", {"function": "generate"})["killed"]
    assert len(killed) == 1
    assert system.end_of(system.drop("after-the-kill.txt", b"still here", "text/plain"))["status"] == "completed"


def test_functions_end_with_their_system_when_it_is_killed() -> None:
    with Running() as system:
        system.end_of(system.drop("before-the-kill.txt", b"still here", "text/plain"))
        pids = [pid for worker in system.control("GET", "/workers").values() for pid in worker["pids"]]
        os.kill(system.pid, signal.SIGKILL)
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 20, lambda: f"some of {pids} are still alive")
    assert len(pids) >= 3


def test_a_start_reports_its_progress(system: Running) -> None:
    log = system.whole_log
    for name in ("storage", "firestore", "gemini", "queue"):
        assert f"\n{name} answers on 127.0.0.1:" in log
    assert "\nstarting the functions api, ingest, generate\n" in log
    for name in ("api", "ingest", "generate"):
        assert f"\n{name} answers after " in log


def test_frozen_functions_wake_with_their_next_request(system: Running) -> None:
    system.end_of(system.drop("before-the-frost.txt", b"x y z", "text/plain"))
    until(lambda: not system.under_way(), 20, lambda: f"{system.under_way()}")
    frozen = {name: system.control("POST", "/freeze", {"function": name})["frozen"] for name in ("ingest", "generate")}
    pids = [pid for some in frozen.values() for pid in some]
    # The signal takes effect when its process would next run.
    until(
        lambda: all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in pids),
        20,
        lambda: f"some of {pids} are not frozen",
    )
    assert system.end_of(system.drop("after-the-frost.txt", b"a b c", "text/plain"))["status"] == "completed"
    workers = system.control("GET", "/workers")
    assert all(set(workers[name]["pids"]) <= set(frozen[name]) for name in frozen), "the same workers went on"


def test_functions_are_served_with_the_platforms_environment(system: Running) -> None:
    pid = system.control("GET", "/workers")["ingest"]["pids"][0]
    environment = psutil.Process(pid).environ()
    assert environment["CLOUD_RUN_TIMEOUT_SECONDS"] == "960"
    assert environment["LOG_EXECUTION_ID"] == "true"
    assert environment["FUNCTION_SOURCE"] == "functions/ingest/main.py"
    assert environment["K_REVISION"]


def test_time_limits_and_retries_are_those_that_terraform_deploys(system: Running) -> None:
    sizes = json.loads((ROOT / "terraform" / "sizes.json").read_text())
    limits = {
        name: psutil.Process(worker["pids"][0]).environ()["CLOUD_RUN_TIMEOUT_SECONDS"]
        for name, worker in system.control("GET", "/workers").items()
        if worker["pids"]
    }
    assert limits.keys() >= {"api", "ingest", "generate"}
    assert limits == {name: str(sizes["functions"][name]["timeout_seconds"]) for name in limits}
    channel = grpc.insecure_channel(system.endpoints.queue)
    queues = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    with queues:
        for queue in queues.list_queues(parent=QUEUES.rpartition("/")[0]):
            deployed, retry = sizes["queues"][queue.name.rpartition("/")[2]], queue.retry_config
            assert retry.max_attempts == deployed["max_attempts"]
            assert retry.min_backoff.total_seconds() == deployed["min_backoff_seconds"]
            assert retry.max_backoff.total_seconds() == deployed["max_backoff_seconds"]
            assert retry.max_doublings == deployed["max_doublings"]
            assert retry.max_retry_duration.total_seconds() == deployed.get("max_retry_seconds", 0)


def test_functions_refuse_callers_without_a_token(system: Running) -> None:
    workers = system.control("GET", "/workers")
    assert workers["generate"]["pids"]
    url = next(call["path"] for call in _dispatched(system))
    assert httpx2.post(url, json={"task": "x", "epoch": 0}, timeout=60).status_code == 403


def _dispatched(system: Running) -> list[dict[str, str]]:
    system.end_of(system.drop("to-see-a-dispatch.txt", b"x y z", "text/plain"))
    return [call for call in system.calls("queue") if call["method"] == "DISPATCH"]
