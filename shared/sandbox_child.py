"""The child's end of `shared.sandbox`: reads a call from standard input, runs it, writes the reply, and so on.

Ends when its parent does. Standard output belongs to the messages; whatever a library prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import sys
from importlib import import_module
from typing import Any, BinaryIO

from shared.sized_stream import RangeStream

_HEADER = struct.Struct(">II")
_OPEN_FILES = 64
"""Enough to import libraries; a parser that opens more files is not reading the one it was given."""


class ParentGoneError(BaseException):
    """The pipe was closed. Not an `Exception`, so that no library takes it for the end of a file."""


class RangeUnavailableError(OSError):
    """The parent cannot or will not bring this range."""


class SourceFile(RangeStream):
    """A seekable, read-only file whose bytes the parent brings."""

    def __init__(self, pipe: Pipe, size: int) -> None:
        super().__init__(size)
        self._pipe = pipe

    def range(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, fewer only at the end; raise `RangeUnavailableError`."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        self._pipe.send({"read": [offset, length]})
        answer, data = self._pipe.receive()
        if "unavailable" in answer:
            raise RangeUnavailableError("this range cannot be read")
        return data

    def emit(self, data: bytes) -> None:
        """Hand the next bytes of the output to the parent; wait while it is busy with earlier ones."""
        self._pipe.send({"out": True}, data)


class Pipe:
    """Messages to and from the parent: JSON, and bytes behind it."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._in, self._out = incoming, outgoing

    def receive(self) -> tuple[Any, bytes]:
        """Raise `ParentGoneError` once the parent is gone."""
        text_length, length = _HEADER.unpack(self._exactly(_HEADER.size))
        return json.loads(self._exactly(text_length)), self._exactly(length)

    def send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        text = json.dumps(message).encode()
        self._out.write(_HEADER.pack(len(text), len(payload)) + text)
        self._out.write(payload)
        self._out.flush()

    def _exactly(self, length: int) -> bytes:
        data = self._in.read(length)
        if len(data) < length:
            raise ParentGoneError
        return data


def main(memory_bytes: int) -> None:
    pipe = Pipe(sys.stdin.buffer, os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    with contextlib.suppress(ParentGoneError, BrokenPipeError):
        while True:
            call, payload = pipe.receive()
            _limit_cpu(call["seconds"])
            pipe.send(*_answer(pipe, call, payload))


def _answer(pipe: Pipe, call: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        module, name = call["run"].split(":")
        source = None if call["size"] is None else SourceFile(pipe, call["size"])
        value, result = getattr(import_module(module), name)(call["arguments"], payload, source)
    except MemoryError:
        return {"out_of_memory": True}, b""
    except Exception as error:
        return {"failure": [type(error).__name__, str(error)]}, b""
    return {"value": value}, result


def _limit(what: int, most: int) -> None:
    _soft, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _limit_cpu(seconds: float) -> None:
    """A child whose parent was killed must not compute for ever: the kernel ends it after twice its time."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + 2 * seconds) + 1, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
