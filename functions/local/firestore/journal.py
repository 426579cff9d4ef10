"""What survives the process: an append-only file of committed changes.

Each commit is one record, handed to the operating system before it is acknowledged; a record is its length, its
checksum and a protobuf. A record that the process did not finish writing is dropped at the next start, when the file
is also rewritten without what nobody can read any more.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grpc

from functions.local.firestore import paths
from functions.local.firestore.store import Change, Database
from functions.local.firestore.wire import CommitRequest, Refusal

_HEADER = struct.Struct(">II")
_MICROS = struct.Struct(">Q")
_FILE = "commits.log"


class Journal:
    """The file in `folder`; without a folder nothing is kept."""

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
        databases = self._load(self._path, new_database)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_packed("", 0, (), self.identity))
            for database in databases.values():
                file.writelines(_states(database))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
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

    def _load(self, path: Path, new_database: Callable[[str], Database]) -> dict[str, Database]:
        states: dict[str, list[tuple[int, Change]]] = {}
        last: dict[str, int] = {}
        for record in _records(path):
            if not record.database:
                self.identity = record.transaction
                continue
            (micros,) = _MICROS.unpack(record.transaction)
            last[record.database] = micros
            found = states.setdefault(record.database, [])
            for write in record.writes:
                document = write.update if write.HasField("update") else None
                name = document.name if document is not None else write.delete
                found.append((micros, (paths.split(name)[1], document)))
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


def _records(path: Path) -> Iterator[CommitRequest]:
    """The records of the file up to the first that is torn."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(header)
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                return
            yield CommitRequest.FromString(payload)
