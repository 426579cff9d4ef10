"""The queue service's durable state: queues, tasks, and the names that are still blocked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.standins.cloud_tasks.rules import Pb, QueuePb, TaskPb
from local.standins.database import CannotWrite, Database

_log = logging.getLogger(__name__)
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
    """The state on disk under `data`, or in memory if that is None.

    A change that cannot be written raises CannotWrite.
    """

    def __init__(self, data: Path | None) -> None:
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        self._db = Database(data / "queue.sqlite3" if data else None, _SCHEMA)
        self._owed: dict[str, Callable[[], None]] = {}

    def close(self) -> None:
        self._db.close()

    def queues(self) -> list[Pb]:
        return [QueuePb.FromString(message) for (message,) in self._db.rows("SELECT message FROM queues")]

    def tasks(self) -> Iterator[Entry]:
        for message, response, reason in self._db.rows("SELECT message, previous_response, retry_reason FROM tasks"):
            yield Entry(TaskPb.FromString(message), response, reason)

    def put_queue(self, queue: Pb) -> None:
        self._db.change("REPLACE INTO queues VALUES (?, ?)", (queue.name, queue.SerializeToString()))

    def drop_queue(self, name: str) -> None:
        self._db.change("DELETE FROM queues WHERE name = ?", (name,))

    def put_task(self, entry: Entry) -> None:
        row = (entry.name, entry.task.SerializeToString(), entry.previous_response, entry.retry_reason)
        self._db.change("REPLACE INTO tasks VALUES (?, ?, ?, ?)", row)
        self._owed.pop(entry.name, None)

    def drop_task(self, name: str, *, now: float, blocked_until: float) -> None:
        with self._db.transaction():
            self._db.change("DELETE FROM tombstones WHERE until <= ?", (now,))
            self._db.change("DELETE FROM tasks WHERE name = ?", (name,))
            self._db.change("REPLACE INTO tombstones VALUES (?, ?)", (name, blocked_until))
        self._owed.pop(name, None)

    def is_blocked(self, name: str, now: float) -> bool:
        """Return whether a task of this name was executed or deleted too recently to reuse the name."""
        row = self._db.rows("SELECT until FROM tombstones WHERE name = ?", (name,))
        return name in self._owed or (bool(row) and row[0][0] > now)

    def write_when_possible(self, name: str, change: Callable[[], None]) -> None:
        """Write a change that no caller waits for, such as a task's progress.

        A change that fails is retried before the next one. A restart before then loads the task's earlier state and
        dispatches it once more.
        """
        self._owed[name] = change
        for pending_name, pending_change in list(self._owed.items()):
            try:
                pending_change()
            except CannotWrite as error:
                _log.warning("the state of %d tasks cannot be kept for now: %s", len(self._owed), error)
                return
            self._owed.pop(pending_name, None)
