"""Time that can be moved is shared by all processes, moves forward only, and stays out of the cloud."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC
from pathlib import Path

import pytest

from shared.clock import Clock, MovableClock

ROOT = Path(__file__).parents[2]

WAITER = """
import asyncio, sys
from pathlib import Path
from shared.clock import Clock
clock = Clock(Path(sys.argv[1]))
due = clock.time() + 3600
print("waiting", flush=True)
asyncio.run(clock.sleep_until(due))
print(clock.time(), flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clock"


def test_a_clock_that_cannot_be_moved_is_the_machines() -> None:
    clock = Clock()
    assert abs(clock.time() - time.time()) < 10
    assert clock.now().tzinfo is UTC


def test_clocks_of_one_file_move_together(file: Path) -> None:
    movable = MovableClock(file)
    function = Clock(file)
    assert abs(function.time() - time.time()) < 10
    movable.advance(3600)
    movable.advance(0.5)
    for clock in (function, movable, Clock(file), MovableClock(file)):
        assert abs(clock.time() - time.time() - 3600.5) < 10


def test_another_process_that_waits_wakes_when_the_clock_is_moved(file: Path) -> None:
    movable = MovableClock(file)
    command = [sys.executable, "-c", WAITER, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "waiting\n"
        due = movable.time() + 3601
        movable.advance(3601)
        woke = float(waiter.stdout.readline())
    assert waiter.returncode == 0
    assert due - 2 <= woke <= due + 10


async def test_sleepers_wake_in_the_order_of_their_moments(file: Path) -> None:
    clock, woken = MovableClock(file), list[int]()

    async def sleeper(hours: int) -> None:
        await clock.sleep_until(start + hours * 3600)
        woken.append(hours)

    start = clock.time()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        first, second = group.create_task(sleeper(1)), group.create_task(sleeper(2))
        clock.advance(3600)
        await first
        assert (woken, second.done()) == ([1], False)
        clock.advance(3600)
    assert woken == [1, 2]


async def test_a_moment_that_has_passed_is_not_waited_for(file: Path) -> None:
    for clock in (Clock(), MovableClock(file)):
        async with asyncio.timeout(60):
            await clock.sleep_until(clock.time() - 5)
            await clock.sleep(0)
            await clock.sleep(-1)


async def test_a_short_sleep_takes_no_longer_than_asked(file: Path) -> None:
    for clock in (Clock(), MovableClock(file)):
        began = time.monotonic()
        await clock.sleep(0.03)
        assert 0.029 <= time.monotonic() - began < 10


def test_time_never_goes_back(file: Path) -> None:
    clock = MovableClock(file)
    clock.advance(10)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(-1)
    assert clock.time() - time.time() > 9


def test_a_restart_keeps_how_far_the_clock_was_moved(file: Path) -> None:
    MovableClock(file).advance(3600)
    assert MovableClock(file).time() - time.time() > 3599


@pytest.mark.parametrize("kind", [Clock, MovableClock])
def test_in_the_cloud_a_clock_that_can_be_moved_is_refused(
    file: Path, kind: type[Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    MovableClock(file)
    monkeypatch.setenv("K_SERVICE", "generate")
    with pytest.raises(RuntimeError, match="DROPSIGHT_CLOCK"):
        kind(file)
    assert abs(Clock().time() - time.time()) < 10
