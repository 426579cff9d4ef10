"""The folder that holds a local system's state: readable by its owner only, and used by one system at a time."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import math
import os
import re
import secrets
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.standins.database import Damaged

_SECONDS = struct.Struct("<d")
_LONGEST_AHEAD = 1000 * 365 * 86400.0
"""Seconds by which the clock may be ahead; more means that its file is damaged."""
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def set_private_umask() -> None:
    """Make the files that this process and its children write from now on readable by their owner only."""
    os.umask(_FOR_OTHERS)


def make_private_folder(folder: Path, parts: Sequence[str] = ()) -> None:
    """Create the folder and its `parts`, and make them private, also what an earlier run left readable by others.

    A folder that holds something else too keeps its mode; only the system's own entries are made private.
    """
    ours = {*parts, "lock", "clock", "api_key", "callback_secret", "oidc-key.pem"}
    folder.mkdir(parents=True, exist_ok=True)
    if all(entry.name in ours for entry in folder.iterdir()):
        _remove_access_of_others(folder)
    for name in parts:
        (folder / name).mkdir(exist_ok=True)
    for entry in folder.iterdir():
        if entry.name in ours:
            _remove_access_of_others(entry)
            for inner in entry.rglob("*") if entry.is_dir() else ():
                _remove_access_of_others(inner)


def check_folder(folder: Path) -> None:
    """Raise Damaged if the clock's file or a secret cannot be what the system wrote."""
    clock = folder / "clock"
    if clock.exists():
        data = clock.read_bytes()
        ahead = _SECONDS.unpack(data)[0] if len(data) == _SECONDS.size else math.nan
        if not 0 <= ahead <= _LONGEST_AHEAD:
            raise Damaged(clock, "it holds no number of seconds by which the clock is ahead")
    for name in ("api_key", "callback_secret"):
        if (folder / name).exists() and not re.fullmatch(rb"[\x21-\x7e]*\n?", (folder / name).read_bytes()):
            raise Damaged(folder / name, "it holds no secret")


def _remove_access_of_others(entry: Path) -> None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = entry.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _FOR_OTHERS:
            entry.chmod(stat.S_IMODE(mode) & ~_FOR_OTHERS)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process. Raises RuntimeError if another system holds it."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"another system keeps its state in {folder}") from error
        yield


def read_or_create(file: Path, value: str) -> str:
    """Return the file's content. If it is missing or empty, write `value` into it atomically first."""
    if not file.exists() or not file.stat().st_size:
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(value)
        draft.chmod(0o600)
        draft.replace(file)
    return file.read_text()


def environment_tag(folder: Path) -> str:
    """Return an environment's tag that differs by machine and folder, since a real key's file store may be shared."""
    return "local" + hashlib.sha256(f"{socket.gethostname()}:{folder.resolve()}".encode()).hexdigest()[:5]


def new_webhook_secret() -> str:
    """Return a new secret for signing callbacks, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
