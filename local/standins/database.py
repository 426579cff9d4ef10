"""The SQLite database of a stand-in: opened only if it is intact, and changed in whole transactions.

The write-ahead log is handed to the operating system at each commit: a killed process loses nothing acknowledged. It is
not forced to disk, since a busy disk would then stop the event loop for seconds: a power cut may cost the last changes.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from local.standins import write_ahead_log

CannotWrite = sqlite3.OperationalError
"""Raised by a change if the disk is full or fails. The change was rolled back; a later one may succeed."""


class Damaged(RuntimeError):
    """A state file is damaged. It was left untouched; the message names it and says what can be done."""

    def __init__(self, file: Path, what: str) -> None:
        super().__init__(f"{file} is damaged ({what}). It was left as it is: put back a copy, or move it away")


class Database:
    """A database in a file, or in memory if `file` is None. Raises Damaged if the file is not intact."""

    def __init__(self, file: Path | None, schema: str) -> None:
        if file is not None:
            _check_whole(file)
        self._db = sqlite3.connect(file or ":memory:", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(schema)

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Apply all changes of the block or none, even if the commit itself fails."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # On a full disk SQLite may have rolled back by itself already.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, parameters).fetchall()

    def change(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; returns the id of the row it inserted, if it did. Raises CannotWrite."""
        return self._db.execute(sql, parameters).lastrowid or 0


def _check_whole(file: Path) -> None:
    """Raise Damaged before the first write, because SQLite ignores everything behind a broken frame of its log."""
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and (what := write_ahead_log.damage(log.read_bytes())):
        raise Damaged(log, what)
    if not file.exists() or not file.stat().st_size:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            outcome = reader.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise Damaged(file, str(error)) from error
    if outcome != "ok":
        raise Damaged(file, str(outcome))
