"""What the queue service must not forget: queues, tasks, and the names that are still blocked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from functions.local.queue.rules import Pb, QueuePb, TaskPb

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, message BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks
    (name TEXT PRIMARY KEY, message BLOB NOT NULL, previous_response INTEGER, retry_reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (name TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tombstones_by_end ON tombstones (until);
"""


@dataclass(eq=False)
class Entry:
    """A task on its queue, with what the service knows of it beyond the message."""

    task: Pb
    previous_response: int | None = None
    """HTTP status of the last attempt that got an answer."""
    retry_reason: str = ""
    gone: bool = False
    """Executed, deleted or given up: an attempt that is still under way must not bring it back."""

    @property
    def name(self) -> str:
        return str(self.task.name)

    @property
    def due(self) -> float:
        return float(self.task.schedule_time.ToMicroseconds() / 1e6)


class Store:
    """SQLite: on disk under `data`, written before a call is acknowledged, else in memory.

    Written without waiting for the disk: a killed process loses nothing, a machine that loses power may.
    """

    def __init__(self, data: Path | None) -> None:
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(data / "queue.sqlite3" if data else ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def queues(self) -> list[Pb]:
        return [QueuePb.FromString(message) for (message,) in self._db.execute("SELECT message FROM queues")]

    def tasks(self) -> Iterator[Entry]:
        for message, response, reason in self._db.execute("SELECT message, previous_response, retry_reason FROM tasks"):
            yield Entry(TaskPb.FromString(message), response, reason)

    def put_queue(self, queue: Pb) -> None:
        self._db.execute("REPLACE INTO queues VALUES (?, ?)", (queue.name, queue.SerializeToString()))

    def drop_queue(self, name: str) -> None:
        self._db.execute("DELETE FROM queues WHERE name = ?", (name,))

    def put_task(self, entry: Entry) -> None:
        row = (entry.name, entry.task.SerializeToString(), entry.previous_response, entry.retry_reason)
        self._db.execute("REPLACE INTO tasks VALUES (?, ?, ?, ?)", row)

    def drop_task(self, name: str, *, now: float, blocked_until: float) -> None:
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM tombstones WHERE until <= ?", (now,))
        self._db.execute("DELETE FROM tasks WHERE name = ?", (name,))
        self._db.execute("REPLACE INTO tombstones VALUES (?, ?)", (name, blocked_until))
        self._db.execute("COMMIT")

    def blocked(self, name: str, now: float) -> bool:
        """Whether a task of that name was executed or deleted too recently for the name to be used again."""
        row = self._db.execute("SELECT until FROM tombstones WHERE name = ?", (name,)).fetchone()
        return row is not None and row[0] > now
