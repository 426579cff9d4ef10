"""Run functions on foreign bytes in child processes that may hang, crash or run out of memory without harm.

A child starts at the first use, keeps running between calls and is replaced when it dies. It gets no secrets in its
environment, cannot write files, and has a limit on its memory and, per call, on its time. `shared.sandbox_child` is
the other end of the pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from shared.domain.media.random_access import RangeUnavailableError

_HEADER = struct.Struct(">II")
"""Before each message: the length of its JSON and of the bytes behind it."""
DEFAULT_SECONDS = 10.0
_MORE_TIME = 2
"""How often a call gets more time if the child got no CPU: then the machine is busy, not the file bad."""
DEFAULT_MEMORY_BYTES = 768 << 20
"""Address space of a child. Python and the examiner's libraries take 150 MiB of it before they read anything."""
_DISCARDED_AT_ONCE = 1 << 20
_LARGEST_RANGE = 64 << 20
_LARGEST_MESSAGE = 256 << 20
"""Bytes that a child may ask for, or send, at once. Its libraries may be in the hands of the file that they read."""


class RangeSource(Protocol):
    """A file somewhere else, read by ranges. `read` returns fewer bytes than asked only at the file's end.

    Raises `RangeUnavailableError` where a range cannot be had: the function in the child sees an `OSError`. Any other
    exception ends the call and reaches its caller.
    """

    @property
    def size(self) -> int: ...

    async def read(self, offset: int, length: int) -> bytes: ...


Sink = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes that a function in the child puts out; the child waits until it has."""


class Reply(NamedTuple):
    """What a function in the child returned: a JSON value, and bytes."""

    value: Any
    payload: bytes = b""


class SandboxError(Exception):
    """The call has no result. The message is a sentence about the child, not about the file."""


class SandboxTimeout(SandboxError):
    """The child did not finish in time and was killed."""


class SandboxCrashed(SandboxError):
    """The child died."""


class SandboxOutOfMemory(SandboxError):
    """The function asked for more memory than the child may have."""


class SandboxFailure(SandboxError):
    """The function raised an exception: `kind` is its class name, the message is its text."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Sandbox:
    """Up to `processes` children; calls beyond that wait for their turn. Belongs to one event loop."""

    def __init__(self, *, processes: int = 1, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._turns = asyncio.Semaphore(processes)
        self._idle: list[_Child] = []
        self._under_way: set[asyncio.Future[None]] = set()
        """Each is done once its call has ended."""

    async def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        payload: bytes = b"",
        source: RangeSource | None = None,
        sink: Sink | None = None,
        seconds: float = DEFAULT_SECONDS,
    ) -> Reply:
        """Call `function` ("package.module:name") in a child as `name(arguments, payload, source)`; return its reply.

        `seconds` limits the child's own work: the time that `source` takes to answer is not counted. A child that
        served earlier calls and then dies may have died of what they left behind, so the call is repeated once in a
        fresh one; but not a call with a `sink`, which gets what `source.emit` puts out. Raises `SandboxError`; errors
        of `source.read` and `sink` pass through.
        """
        call = _Call(function, arguments, payload, source, sink, seconds)
        ended = asyncio.get_running_loop().create_future()
        self._under_way.add(ended)
        try:
            async with self._turns:
                return await self._run(call)
        finally:
            self._under_way.discard(ended)
            ended.set_result(None)

    async def end_idle_children(self) -> None:
        while self._idle:
            await self._idle.pop().kill()

    async def close(self) -> None:
        """Wait for the end of all calls under way, then end the idle children: before the event loop closes."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self.end_idle_children()

    async def _run(self, call: _Call) -> Reply:
        if self._idle and call.sink is None:
            with contextlib.suppress(SandboxCrashed, SandboxOutOfMemory):
                return await self._run_in(self._idle.pop(), call)
        return await self._run_in(await _Child.start(self._memory_bytes), call)

    async def _run_in(self, child: _Child, call: _Call) -> Reply:
        try:
            reply = await child.run(call)
        except SandboxFailure:
            if call.sink is None:
                self._idle.append(child)
            else:
                await child.kill()
            raise
        except BaseException:
            # Also when the caller was cancelled: what the child is at cannot be taken back.
            await child.kill()
            raise
        if call.sink is None:
            self._idle.append(child)
        else:
            # It is not used again, and may have grown large.
            await child.kill()
        return reply


class _Call(NamedTuple):
    function: str
    arguments: Mapping[str, Any]
    payload: bytes
    source: RangeSource | None
    sink: Sink | None
    seconds: float


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._to, self._from = process, process.stdin, process.stdout

    @classmethod
    async def start(cls, memory_bytes: int) -> _Child:
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "shared.sandbox_child",
                str(memory_bytes),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        )
        try:
            return cls(await asyncio.shield(starting))
        except asyncio.CancelledError:
            # A start that is cancelled half way would leave its process behind.
            await cls(await starting).kill()
            raise

    async def run(self, call: _Call) -> Reply:
        size = None if call.source is None else call.source.size
        message = {"run": call.function, "arguments": call.arguments, "size": size, "seconds": call.seconds}
        left = call.seconds
        loop = asyncio.get_running_loop()
        await self._send(message, call.payload, call.seconds)
        while True:
            began = loop.time()
            answer, payload = await self._answer(left, call.seconds)
            left -= loop.time() - began
            match answer:
                case {"read": [int(offset), int(length)]} if call.source is not None:
                    if offset < 0 or not 0 <= length <= _LARGEST_RANGE:
                        raise SandboxCrashed("the child asked for a range that no file has")
                    await self._send(*await _range(call.source, offset, length), call.seconds)
                case {"out": True} if call.sink is not None:
                    await call.sink(payload)
                case {"value": value}:
                    return Reply(value, payload)
                case {"failure": [str(kind), str(text)]}:
                    raise SandboxFailure(kind, text)
                case {"out_of_memory": True}:
                    raise SandboxOutOfMemory("more memory was asked for than is allowed")
                case _:
                    raise SandboxCrashed("the child sent an unreadable message")

    async def _answer(self, left: float, seconds: float) -> tuple[Any, bytes]:
        """Receive the child's next message. A child that gets no CPU may take up to three times as long."""
        message = asyncio.ensure_future(self._receive())
        used = _cpu_seconds(self._process.pid)
        try:
            for _ in range(1 + _MORE_TIME):
                await asyncio.wait({message}, timeout=max(left, 0.0))
                if message.done():
                    return message.result()
                if _cpu_seconds(self._process.pid) - used > left / 2:
                    break
            raise SandboxTimeout(f"not finished after {seconds:g} s")
        finally:
            # Awaited, because `kill` reads from the same pipe.
            message.cancel()
            await asyncio.wait({message})

    async def kill(self) -> None:
        """End the process and wait for it, also if the caller is cancelled meanwhile: the event loop may close next."""
        ending = asyncio.ensure_future(self._end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.wait({ending})
            raise

    async def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._to.close()
        # A long message may be under way: asyncio then stops reading the pipe, and never sees that the child ended.
        while await self._from.read(_DISCARDED_AT_ONCE):
            pass
        await self._process.wait()
        # The end may have been noticed in this very turn of the event loop: the next one closes the transport.
        await asyncio.sleep(0)

    async def _send(self, message: Mapping[str, Any], payload: bytes, seconds: float) -> None:
        """Send a message; raise `SandboxTimeout` if the child does not read it, be the machine as busy as it may."""
        text = json.dumps(message).encode()
        try:
            self._to.writelines([_HEADER.pack(len(text), len(payload)), text, payload])
            async with asyncio.timeout((1 + _MORE_TIME) * seconds):
                await self._to.drain()
        except TimeoutError as error:
            raise SandboxTimeout(f"not finished after {seconds:g} s") from error
        except (BrokenPipeError, ConnectionResetError) as error:
            raise SandboxCrashed("the child died") from error

    async def _receive(self) -> tuple[Any, bytes]:
        try:
            text_length, length = _HEADER.unpack(await self._from.readexactly(_HEADER.size))
            if text_length + length > _LARGEST_MESSAGE:
                raise SandboxCrashed("the child sent more than any answer has")
            text = await self._from.readexactly(text_length)
            return json.loads(text), await self._from.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            raise SandboxCrashed("the child died") from error
        except (ValueError, RecursionError) as error:
            raise SandboxCrashed("the child sent an unreadable message") from error


def _cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process; infinity if they are not available."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return math.inf
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _range(source: RangeSource, offset: int, length: int) -> tuple[dict[str, Any], bytes]:
    try:
        return {}, await source.read(offset, length)
    except RangeUnavailableError:
        return {"unavailable": True}, b""


def _environment() -> dict[str, str]:
    """What the child's Python needs to find the same modules, and nothing else: no key, no token, no address."""
    path = os.pathsep.join(entry or str(os.getcwd()) for entry in sys.path)  # noqa: PTH109
    # One arena: each further one would take 64 MiB of the address space.
    return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "MALLOC_ARENA_MAX": "1", "LANG": "C.UTF-8"}
