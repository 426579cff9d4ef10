"""The journal: an append-only file of committed changes, from which a restart restores the databases.

Each commit is one record, handed to the operating system before it is acknowledged; a record is its length, its
checksum and a protobuf. A record that the process did not finish writing, at the file's end, was never acknowledged
and is dropped at the next start, when the file is also rewritten without what nobody can read any more. Damage
elsewhere costs the records that it hit and no others; the file as it was is then kept beside the new one, and an error
is logged that names both.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from local.standins.firestore import paths
from local.standins.firestore.store import Change, Database
from local.standins.firestore.wire import CommitRequest, Refusal

_HEADER = struct.Struct(">II")
_MICROS = struct.Struct(">Q")
_FILE = "commits.log"
_BEGINNING = re.compile(rb"\x0a[\x00-\xff]{1,2}projects/")

_log = logging.getLogger(__name__)


class Journal:
    """The journal in `folder`; without a folder nothing is stored."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / _FILE if folder is not None else None
        self._file: int | None = None
        self._size = 0
        self.identity = os.urandom(8)
        """Names this history of commits: resume tokens of listeners are good only within it."""

    def open(self, new_database: Callable[[str], Database]) -> dict[str, Database]:
        """Load the databases, write the file anew, and be ready to append."""
        if self._path is None:
            return {}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        contents = read_records(self._path.read_bytes() if self._path.exists() else b"")
        if contents.damage:
            self._keep_aside(self._path, contents)
        if contents.cut_off:
            words = (
                "%s ends in a commit that was not written to its end, and never acknowledged: it is left out (%d bytes)"
            )
            _log.warning(words, self._path, contents.cut_off)
        databases = self._restored(contents.payloads, new_database)
        self._rewrite(self._path, databases, contents)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = os.fstat(self._file).st_size
        return databases

    def append(self, database: Database, micros: int, changes: Iterable[Change]) -> None:
        if self._file is None:
            return
        record = memoryview(_packed(database.name, micros, changes))
        whole = self._size + len(record)
        try:
            while record:
                record = record[os.write(self._file, record) :]
        except OSError as error:
            # Half a record would hide all that follow it.
            os.ftruncate(self._file, self._size)
            raise Refusal(grpc.StatusCode.UNAVAILABLE, f"The commit could not be kept: {error.strerror}.") from error
        self._size = whole

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _keep_aside(self, path: Path, contents: JournalContents) -> None:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        shutil.copyfile(path, aside)
        where = ", ".join(f"{start} to {end}" for start, end in contents.damage)
        _log.error(
            "%s is damaged at bytes %s: what was committed there is lost, the %d commits before and behind are not. "
            "The file as it was is kept as %s",
            *(path, where, len(contents.payloads), aside),
        )

    def _rewrite(self, path: Path, databases: Mapping[str, Database], contents: JournalContents) -> None:
        fresh = path.with_suffix(".new")
        try:
            with fresh.open("wb") as file:
                file.write(_packed("", 0, (), self.identity))
                for database in databases.values():
                    file.writelines(_states(database))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            fresh.unlink(missing_ok=True)
            if contents.damage or not path.exists():
                raise
            _log.warning("%s could not be rewritten, and is used as it is: %s", path, error)
            os.truncate(path, contents.end)
        else:
            fresh.replace(path)

    def _restored(self, payloads: Iterable[memoryview], new_database: Callable[[str], Database]) -> dict[str, Database]:
        states: dict[str, list[tuple[int, Change]]] = {}
        last: dict[str, int] = {}
        for payload in payloads:
            record = CommitRequest.FromString(bytes(payload))
            if not record.database:
                self.identity = record.transaction
                continue
            (micros,) = _MICROS.unpack(record.transaction)
            last[record.database] = micros
            changes = states.setdefault(record.database, [])
            for write in record.writes:
                document = write.update if write.HasField("update") else None
                name = document.name if document is not None else write.delete
                changes.append((micros, (paths.split(name)[1], document)))
        databases = {name: new_database(name) for name in states}
        for name, database in databases.items():
            database.restore(states[name])
            database.last = max(database.last, last[name])
        return databases


def _states(database: Database) -> Iterator[bytes]:
    for micros, path, document in database.states():
        yield _packed(database.name, micros, [(path, document)])
    yield _packed(database.name, database.last, ())


def _packed(database: str, micros: int, changes: Iterable[Change], identity: bytes = b"") -> bytes:
    record = CommitRequest(database=database, transaction=identity or _MICROS.pack(micros))
    for path, document in changes:
        if document is None:
            record.writes.add().delete = f"{database}/documents/{path}"
        else:
            record.writes.add().update.CopyFrom(document)
    payload: bytes = record.SerializeToString()
    return _HEADER.pack(len(payload), zlib.crc32(payload)) + payload


@dataclass(frozen=True)
class JournalContents:
    """The contents of a journal: the intact records, and the damaged ranges."""

    payloads: list[memoryview]
    damage: list[tuple[int, int]]
    end: int
    """Where the last whole record ends."""
    cut_off: int = 0
    """How many bytes of a record that was not written to its end follow."""


def read_records(data: bytes) -> JournalContents:
    """Return the whole records. A record that the file's end cuts off is no damage; one that is broken is."""
    view, at, end = memoryview(data), 0, 0
    payloads: list[memoryview] = []
    damage: list[tuple[int, int]] = []
    while at < len(data):
        payload = _record_at(view, at)
        if payload is None:
            following = _next_record(data, view, at + 1)
            if following is None:
                if _cut_off(data, at):
                    return JournalContents(payloads, damage, end, len(data) - at)
                damage.append((at, len(data)))
                break
            damage.append((at, following))
            at = following
            continue
        payloads.append(payload)
        at = end = at + _HEADER.size + len(payload)
    return JournalContents(payloads, damage, end)


def _record_at(view: memoryview, at: int) -> memoryview | None:
    if at + _HEADER.size > len(view):
        return None
    length, checksum = _HEADER.unpack_from(view, at)
    payload = view[at + _HEADER.size : at + _HEADER.size + length]
    return payload if length and len(payload) == length and zlib.crc32(payload) == checksum else None


def _next_record(data: bytes, view: memoryview, start: int) -> int | None:
    """Return where the next intact record begins. Every record begins with its database's name, field 1."""
    for match in _BEGINNING.finditer(data, start):
        at = match.start() - _HEADER.size
        if at >= start and _record_at(view, at) is not None:
            return at
    return None


def _cut_off(data: bytes, at: int) -> bool:
    """Whether the last record was not written to its end: shorter than it says, or only zeros (a power cut's trace)."""
    if at + _HEADER.size > len(data):
        return True
    length, _ = _HEADER.unpack_from(data, at)
    return at + _HEADER.size + int(length) > len(data) or not any(data[at:])
