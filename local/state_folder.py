"""The folder that a local system keeps its state in: for its owner's eyes, and for one system at a time."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.standins.database import Damaged

_SECONDS = struct.Struct("<d")
_LONGEST_AHEAD = 1000 * 365 * 86400.0
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private() -> None:
    """What this process and its children write from now on is for their owner only: objects, documents, keys."""
    os.umask(_FOR_OTHERS)


def make_private(folder: Path, parts: Sequence[str] = ()) -> None:
    """Make the folder and its parts, and take all in them from others, also what an earlier run left readable.

    A folder that was there before and holds something else too is left open; only what is known to be ours is closed.
    """
    ours = {*parts, "lock", "clock", "api_key", "callback_secret", "oidc-key.pem"}
    folder.mkdir(parents=True, exist_ok=True)
    if all(entry.name in ours for entry in folder.iterdir()):
        _close(folder)
    for name in parts:
        (folder / name).mkdir(exist_ok=True)
    for entry in folder.iterdir():
        if entry.name in ours:
            _close(entry)
            for inner in entry.rglob("*") if entry.is_dir() else ():
                _close(inner)


def check(folder: Path) -> None:
    """Raise Damaged for a file of the folder's own that is not what was written."""
    clock = folder / "clock"
    if clock.exists():
        data = clock.read_bytes()
        ahead = _SECONDS.unpack(data)[0] if len(data) == _SECONDS.size else math.nan
        if not 0 <= ahead <= _LONGEST_AHEAD:
            raise Damaged(clock, "it holds no number of seconds by which the clock is ahead")
    for name in ("api_key", "callback_secret"):
        if (folder / name).exists() and not re.fullmatch(rb"[\x21-\x7e]*\n?", (folder / name).read_bytes()):
            raise Damaged(folder / name, "it holds no secret")


def _close(entry: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        found = entry.lstat()
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & _FOR_OTHERS:
            entry.chmod(stat.S_IMODE(found.st_mode) & ~_FOR_OTHERS)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Two systems would write over each other's state. A lock of the process: nothing of it outlives a kill."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another system keeps its state in {folder}") from error
        yield


def kept(file: Path, value: str) -> str:
    """Return the file's content; where it is not there, or empty, it is written with `value`, whole or not at all."""
    if not file.exists() or not file.stat().st_size:
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(value)
        fresh.chmod(0o600)
        fresh.replace(file)
    return file.read_text()
