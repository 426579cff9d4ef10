"""What the tests run in a sandbox: functions that behave, and functions that do not."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from shared.converter_child.pace import TooSlowError
from shared.examiner_child.child import examine
from shared.sandbox_child import SourceFile

Result = tuple[Any, bytes]
calls = 0


def echo(arguments: dict[str, Any], payload: bytes, _source: SourceFile | None) -> Result:
    return arguments, payload[::-1]


def environment(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    return dict(os.environ), b""


def process(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    return os.getpid(), b""


def middle(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> Result:
    assert source is not None
    source.seek(arguments["at"])
    return source.size, source.read(4) or b""


def try_to_read(_arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> Result:
    assert source is not None
    try:
        return len(source.read(1)), b""
    except OSError as error:
        return type(error).__name__, b""


def refuse(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    raise LookupError("page 7 is missing")


def loop(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    while True:
        pass


def ask_and_not_read(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> Result:
    """Ask for a range, and never take it out of the pipe."""
    assert source is not None
    source._pipe.send({"read": [0, arguments["length"]]})
    while True:
        pass


def send_without_end(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    """Announce a message of four gigabytes, and begin it."""
    os.write(_pipe_of_parent(), b"\xff" * 65536)
    while True:
        pass


def flood(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    """Announce a long message, and write on and on."""
    os.write(_pipe_of_parent(), (128 << 20).to_bytes(4, "big") + (64 << 20).to_bytes(4, "big"))
    while True:
        os.write(_pipe_of_parent(), b"[" * 65536)


def _pipe_of_parent() -> int:
    """Return the number of the pipe to the parent, a socket on uvloop: the only one besides standard input."""
    handles = (link for link in Path("/proc/self/fd").iterdir() if int(link.name) > 2)
    return next(int(link.name) for link in handles if link.is_fifo() or link.is_socket())


def segfault(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    ctypes.string_at(0)
    raise AssertionError("unreachable")


def convert_slowly(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    raise TooSlowError("1 of 100 s took 20 s")


def allocate(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    return len(bytearray(4 << 30)), b""


def write(arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    Path(arguments["path"]).write_bytes(b"x" * 100_000)
    return None, b""


def facts_without_length(arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    """What the examiner says of a recording whose length cannot be told."""
    return {**arguments["facts"], "has_audio": True, "warnings": ["The file does not say how long it is."]}, b""


def chatter(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    print("a library prints to standard output", flush=True)  # noqa: T201
    os.write(1, b"and so does its C code\n")
    return "done", b""


def crash_when_used(_arguments: dict[str, Any], _payload: bytes, _source: SourceFile | None) -> Result:
    """Crash at the second call in one process, as a library does that leaks."""
    global calls
    calls += 1
    if calls > 1:
        os.abort()
    return os.getpid(), b""


def segfault_on_wav(arguments: dict[str, Any], payload: bytes, source: SourceFile | None) -> Result:
    """The examiner, with a fault in its reader of WAV."""
    if arguments["facts"]["media_type"]["format"] == "wav":
        ctypes.string_at(0)
    return examine(arguments, payload, source)
