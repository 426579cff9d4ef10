"""Functions on foreign bytes run in a child process that may die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from shared.domain.media.random_access import RangeUnavailableError
from shared.sandbox import Sandbox, SandboxCrashed, SandboxFailure, SandboxOutOfMemory, SandboxTimeout

FUNCTIONS = "tests.shared.sandbox_functions"
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


class Letters:
    """A source of a terabyte; `read` repeats the alphabet."""

    size = 1 << 40

    async def read(self, offset: int, length: int) -> bytes:
        return (LETTERS * (length // 26 + 2))[offset % 26 :][:length]


class Broken:
    size = 10

    async def read(self, offset: int, length: int) -> bytes:
        raise ConnectionError("the bucket is away")


class Locked:
    size = 10

    async def read(self, offset: int, length: int) -> bytes:
        raise RangeUnavailableError


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


async def test_a_function_gets_its_arguments_and_bytes_and_returns_both(sandbox: Sandbox) -> None:
    reply = await sandbox.run(f"{FUNCTIONS}:echo", {"name": "Zoë"}, payload=b"abc")
    assert reply == ({"name": "Zoë"}, b"cba")


async def test_calls_share_one_child(sandbox: Sandbox) -> None:
    pids = {(await sandbox.run(f"{FUNCTIONS}:process", {})).value for _ in range(3)}
    assert len(pids) == 1


async def test_ranges_are_read_from_the_parent(sandbox: Sandbox) -> None:
    reply = await sandbox.run(f"{FUNCTIONS}:middle", {"at": 26 * 10**9}, source=Letters())
    assert reply == (1 << 40, b"abcd")


async def test_an_error_of_the_function_names_its_kind_and_keeps_the_child(sandbox: Sandbox) -> None:
    before = await sandbox.run(f"{FUNCTIONS}:process", {})
    with pytest.raises(SandboxFailure, match="page 7 is missing") as raised:
        await sandbox.run(f"{FUNCTIONS}:refuse", {})
    assert raised.value.kind == "LookupError"
    assert await sandbox.run(f"{FUNCTIONS}:process", {}) == before


async def test_a_function_that_loops_is_ended_and_the_next_call_works(sandbox: Sandbox) -> None:
    child = (await sandbox.run(f"{FUNCTIONS}:process", {})).value
    with pytest.raises(SandboxTimeout, match=r"0\.5 s"):
        await sandbox.run(f"{FUNCTIONS}:loop", {}, seconds=0.5)
    assert not psutil.pid_exists(child)
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_function_that_crashes_takes_nobody_with_it(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxCrashed):
        await sandbox.run(f"{FUNCTIONS}:segfault", {})
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_function_that_takes_too_much_memory_is_refused_it(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxOutOfMemory):
        await sandbox.run(f"{FUNCTIONS}:allocate", {})
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_used_child_that_dies_is_replaced_by_a_fresh_one_for_the_same_call(sandbox: Sandbox) -> None:
    first = (await sandbox.run(f"{FUNCTIONS}:crash_when_used", {})).value
    second = (await sandbox.run(f"{FUNCTIONS}:crash_when_used", {})).value
    assert first != second


async def test_nothing_can_be_written_to_disk(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises((SandboxFailure, SandboxCrashed)):
        await sandbox.run(f"{FUNCTIONS}:write", {"path": str(tmp_path / "leak")})
    assert not (tmp_path / "leak").exists() or (tmp_path / "leak").stat().st_size == 0


async def test_the_child_sees_no_secrets(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "planted-secret")
    assert "planted-secret" not in str(await sandbox.run(f"{FUNCTIONS}:environment", {}))


async def test_what_a_library_prints_does_not_disturb_the_messages(sandbox: Sandbox) -> None:
    assert (await sandbox.run(f"{FUNCTIONS}:chatter", {})).value == "done"


async def test_an_error_while_reading_reaches_the_caller(sandbox: Sandbox) -> None:
    with pytest.raises(ConnectionError, match="the bucket is away"):
        await sandbox.run(f"{FUNCTIONS}:middle", {"at": 0}, source=Broken())
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_range_that_cannot_be_had_is_an_error_for_the_function_alone(sandbox: Sandbox) -> None:
    reply = await sandbox.run(f"{FUNCTIONS}:try_to_read", {}, source=Locked())
    assert reply.value == "RangeUnavailableError"


async def test_a_child_that_does_not_take_what_it_asked_for_is_ended(sandbox: Sandbox) -> None:
    """The parent does not wait for ever until there is room in the pipe."""
    with pytest.raises(SandboxTimeout):
        await sandbox.run(f"{FUNCTIONS}:ask_and_not_read", {"length": 4 << 20}, source=Letters(), seconds=0.5)
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


@pytest.mark.parametrize("length", [1 << 40, -1])
async def test_a_child_may_not_make_the_parent_read_more_than_it_can_hold(sandbox: Sandbox, length: int) -> None:
    with pytest.raises(SandboxCrashed, match="a range that no file has"):
        await sandbox.run(f"{FUNCTIONS}:ask_and_not_read", {"length": length}, source=Letters())


async def test_a_child_that_announces_gigabytes_is_ended_before_they_come(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxCrashed, match="more than any answer has"):
        await sandbox.run(f"{FUNCTIONS}:send_without_end", {})
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_child_is_ended_while_a_long_message_comes(sandbox: Sandbox) -> None:
    """asyncio stops reading a pipe whose bytes nobody takes; the child's end must be seen all the same."""
    for _ in range(5):
        with pytest.raises((SandboxTimeout, SandboxCrashed)):
            await sandbox.run(f"{FUNCTIONS}:flood", {}, seconds=0.2)
    call = asyncio.create_task(sandbox.run(f"{FUNCTIONS}:flood", {}))
    await asyncio.sleep(0.2)
    call.cancel()
    # On a fast machine the message has come, and says nothing.
    with pytest.raises((asyncio.CancelledError, SandboxCrashed)):
        await call
    assert (await sandbox.run(f"{FUNCTIONS}:echo", {})).value == {}


async def test_a_cancelled_call_ends_its_child(sandbox: Sandbox) -> None:
    child = (await sandbox.run(f"{FUNCTIONS}:process", {})).value
    call = asyncio.create_task(sandbox.run(f"{FUNCTIONS}:loop", {}))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not psutil.pid_exists(child)


async def test_a_call_that_is_cancelled_while_its_child_starts_leaves_none_behind() -> None:
    mine = psutil.Process()
    before = set(mine.children())
    for turns in range(12):
        sandbox = Sandbox()
        call = asyncio.create_task(sandbox.run(f"{FUNCTIONS}:loop", {}))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await sandbox.close()
        assert set(mine.children()) == before
        await asyncio.wait({call})


async def test_children_work_side_by_side_up_to_their_number() -> None:
    sandbox = Sandbox(processes=2)
    try:
        replies = await asyncio.gather(*(sandbox.run(f"{FUNCTIONS}:process", {}) for _ in range(6)))
        assert 1 <= len({reply.value for reply in replies}) <= 2
    finally:
        await sandbox.close()
