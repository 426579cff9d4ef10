"""What a run of the tests tells of a test that fails or hangs, and what stress reads of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.stress import Run, busy, has_time_for_another, read_results

TESTS = """
import asyncio
import threading

from tests import function_logs


async def waits_for_nobody():
    await asyncio.Event().wait()


async def keeps_the_loop_busy():
    while True:
        await asyncio.sleep(0)


async def test_hangs():
    busy = asyncio.create_task(keeps_the_loop_busy())
    other = asyncio.create_task(waits_for_nobody(), name="the other task")
    thread = threading.Thread(target=threading.Event().wait, name="a thread", daemon=True)
    thread.start()
    await other


def test_runs_after_it():
    pass


def test_fails_with_a_system(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text("")
    function_logs.watch(log)
    log.write_text('{"function": "generate", "severity": "ERROR", "message": "what went wrong", "task": "t-1"}')
    function_logs.unwatch(log)
    raise ValueError("the test itself")
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What pytest prints of these tests, and its results."""
    folder = tmp_path_factory.mktemp("tests")
    (folder / "test_it.py").write_text(TESTS)
    results = folder / "results.xml"
    command = [sys.executable, "-m", "pytest", "-p", "tests.time_limit", "-p", "tests.function_logs", "-n", "1"]
    command += ["--timeout", "1", "-c", str(ROOT / "pyproject.toml"), f"--junitxml={results}", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout, results


def test_a_test_whose_time_is_over_fails_with_the_stacks_of_its_tasks_and_threads(told: tuple[str, Path]) -> None:
    output, _ = told
    assert "CancelledError: not ended after 1 s" in output
    assert "Thread a thread:" in output
    assert "name='the other task'" in output
    assert "in waits_for_nobody" in output


def test_a_failed_test_shows_what_its_functions_logged(told: tuple[str, Path]) -> None:
    output, _ = told
    assert "what the functions logged" in output
    assert "generate  ERROR    what went wrong  task=t-1" in output


def test_the_last_line_counts_all(told: tuple[str, Path]) -> None:
    output, _ = told
    assert output.splitlines()[-1].startswith("2 failed, 1 passed in ")


def test_stress_reads_counts_and_durations(told: tuple[str, Path]) -> None:
    run = read_results(told[1], 3.0, 1)
    assert run.counts == {"passed": 1, "failed": 2, "errors": 0, "skipped": 0}
    assert {name.rpartition("::")[2] for name in run.failed} == {"test_hangs", "test_fails_with_a_system"}
    assert max(run.durations.values()) >= 1
    assert str(run) == "1 passed, 2 failed in 3 s"
    assert not run.passed


def test_a_run_that_ended_without_results_has_not_passed(tmp_path: Path) -> None:
    run = read_results(tmp_path / "missing.xml", 3.0, 0)
    assert str(run) == "no test ran in 3 s"
    assert not run.passed
    assert Run({"passed": 1}, 1.0, {"a": 1.0}, [], 0).passed


def test_stress_begins_no_run_that_would_not_end_in_time() -> None:
    runs = [Run({}, seconds, {}, [], 0) for seconds in (60.0, 90.0)]
    assert has_time_for_another([], 1.0)
    assert has_time_for_another(runs, 90.0)
    assert not has_time_for_another(runs, 89.0)


def test_the_load_ends_with_its_context() -> None:
    with busy(2) as load:
        assert [process.poll() for process in load] == [None, None]
    assert all(process.poll() is not None for process in load)
