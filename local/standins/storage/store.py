"""The stand-in's state in SQLite: buckets, object versions, resumable sessions, undelivered events.

Every call is short; all run on the event loop's thread, so that a check and the write it guards are one step.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from local.standins.database import Database
from local.standins.storage.records import Bucket, Json, ObjectVersion

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (
  name TEXT PRIMARY KEY, generation INTEGER, metageneration INTEGER, state TEXT, iam TEXT, notifications TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT, name TEXT, generation INTEGER, metageneration INTEGER, live INTEGER, content TEXT, size INTEGER,
  state TEXT, PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS live_objects ON objects (bucket, name) WHERE live;
CREATE INDEX IF NOT EXISTS object_contents ON objects (content);
CREATE TABLE IF NOT EXISTS uploads (id TEXT PRIMARY KEY, state TEXT, record TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT, number INTEGER, content TEXT, size INTEGER, etag TEXT, PRIMARY KEY (upload, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hmac_keys (id TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, type TEXT, bucket TEXT, headers TEXT, body TEXT);
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY, event INTEGER, subscription TEXT, due REAL, expires REAL, attempts INTEGER, held INTEGER
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (subscription, held, due);
"""
_OBJECT = "bucket, name, generation, metageneration, live, content, size, state"
_PAST_EVERY_NAME = "\U0010ffff" * 3


class Store(Database):
    def __init__(self, file: Path | None) -> None:
        super().__init__(file, _SCHEMA)

    def rising(self, name: str, at_least: int) -> int:
        """Return the next number of a counter, at least `at_least`. Numbers never repeat, even across restarts."""
        sql = """INSERT INTO counters VALUES (?, ?)
                 ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value"""
        return int(self.rows(sql, (name, at_least))[0][0])

    def bucket(self, name: str) -> Bucket | None:
        rows = self.rows("SELECT * FROM buckets WHERE name = ?", (name,))
        return _bucket(rows[0]) if rows else None

    def buckets(self, prefix: str, after: str, limit: int) -> list[Bucket]:
        sql = "SELECT * FROM buckets WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?"
        return [_bucket(row) for row in self.rows(sql, (after, prefix, prefix + _PAST_EVERY_NAME, limit))]

    def put_bucket(self, bucket: Bucket) -> None:
        texts = [json.dumps(part) for part in (bucket.state, bucket.iam, bucket.notifications)]
        values = (bucket.name, bucket.generation, bucket.metageneration, *texts)
        self.change("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?, ?)", values)

    def drop_bucket(self, name: str) -> None:
        self.change("DELETE FROM buckets WHERE name = ?", (name,))

    def has_objects(self, bucket: str) -> bool:
        return bool(self.rows("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1", (bucket,)))

    def object(self, bucket: str, name: str, generation: int | None = None) -> ObjectVersion | None:
        """Return the live version, or that of a generation, or None."""
        values: tuple[object, ...] = (bucket, name)
        where = "bucket = ? AND name = ? AND live"
        if generation is not None:
            where, values = "bucket = ? AND name = ? AND generation = ?", (bucket, name, generation)
        rows = self.rows(f"SELECT {_OBJECT} FROM objects WHERE {where}", values)  # noqa: S608 (constants only)
        return _object(rows[0]) if rows else None

    def objects(
        self, bucket: str, start: str, start_generation: int, end: str | None, versions: bool, limit: int
    ) -> list[ObjectVersion]:
        """Return versions from a name and generation on, below the name `end`, in order of name (as UTF-8) and
        generation.
        """
        sql = f"""SELECT {_OBJECT} FROM objects WHERE bucket = ? AND (name, generation) >= (?, ?) AND name < ?
                  AND {"1" if versions else "live"} ORDER BY name, generation LIMIT ?"""  # noqa: S608 (constants only)
        values = (bucket, start, start_generation, _PAST_EVERY_NAME if end is None else end, limit)
        return [_object(row) for row in self.rows(sql, values)]

    def put_object(self, version: ObjectVersion) -> None:
        values = (
            *(version.bucket, version.name, version.generation, version.metageneration, int(version.live)),
            *(version.content, version.size, json.dumps(version.state)),
        )
        self.change("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def drop_object(self, version: ObjectVersion) -> None:
        where = "bucket = ? AND name = ? AND generation = ?"
        key = (version.bucket, version.name, version.generation)
        self.change(f"DELETE FROM objects WHERE {where}", key)  # noqa: S608 (constants only)

    def content_in_use(self, content: str) -> bool:
        return bool(self.rows("SELECT 1 FROM objects WHERE content = ? LIMIT 1", (content,)))

    def contents_in_use(self) -> set[str]:
        uploads = "SELECT id FROM uploads WHERE state = 'open' UNION SELECT content FROM parts"
        used = self.rows(f"SELECT content FROM objects UNION {uploads}")  # noqa: S608 (constants only)
        return {row[0] for row in used}

    def upload(self, upload_id: str) -> tuple[str, Json] | None:
        rows = self.rows("SELECT state, record FROM uploads WHERE id = ?", (upload_id,))
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def put_upload(self, upload_id: str, state: str, record: Json) -> None:
        self.change("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?)", (upload_id, state, json.dumps(record)))


@lru_cache(maxsize=256)
def _bucket(row: tuple[Any, ...]) -> Bucket:
    """Return the bucket of a row, shared by its readers: every call on an object reads its bucket several times."""
    name, generation, metageneration, *texts = row
    state, iam, notifications = (json.loads(text) for text in texts)
    return Bucket(name, generation, metageneration, state, iam, notifications)


def _object(row: tuple[Any, ...]) -> ObjectVersion:
    *values, state = row
    bucket, name, generation, metageneration, live, content, size = values
    return ObjectVersion(bucket, name, generation, metageneration, bool(live), content, size, json.loads(state))
