"""The Listen RPC: a stream that sends the documents of each target, and then every change of them.

A target's messages are its documents, CURRENT once they are all sent, and after each consistent step a NO_CHANGE with
the time it stands for and a resume token. A token names a moment and the history it belongs to. Resumed within an hour,
also after a restart with kept data, a target gets exactly what changed in between; otherwise it is RESET and sent anew.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.cloud.firestore_v1 import types

from local.standins.firestore import paths, search
from local.standins.firestore.databases import Databases
from local.standins.firestore.masks import masked
from local.standins.firestore.query import Query, parse_query
from local.standins.firestore.store import Database
from local.standins.firestore.wire import Document, Refusal, Target, invalid, micros_of, timestamp_of
from local.standins.ledger import Ledger

_ListenResponse: Any = types.ListenResponse.pb()
_TargetChange: Any = types.TargetChange.pb()
_NO_CHANGE, _ADD, _REMOVE, _CURRENT, _RESET = range(5)
_TOKEN = struct.Struct(">8sQ")

Check = Callable[[Query], object]
"""Raises Refusal for a query that no index serves."""


@dataclass
class _Target:
    identity: int
    query: Query | None
    """None: a target of documents, by name."""
    names: frozenset[str] = frozenset()
    """Paths of the documents."""
    sent_versions: dict[str, int] = field(default_factory=dict)
    """The update time, in microseconds, of each document that the client holds, by path."""
    since: int = 0
    """The time of the client's state, in microseconds."""


class Listeners:
    def __init__(self, databases: Databases, ledger: Ledger, check: Check) -> None:
        self._databases, self._ledger, self._check = databases, ledger, check

    async def listen(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        stream = _Stream(self._databases, self._ledger, self._check)
        reader = asyncio.create_task(stream.read(requests))
        try:
            while await stream.wait_for_work():
                async for message in stream.messages():
                    yield message
        finally:
            reader.cancel()
            stream.close()


class _Stream:
    def __init__(self, databases: Databases, ledger: Ledger, check: Check) -> None:
        self._databases, self._ledger, self._check = databases, ledger, check
        self._database: Database | None = None
        self._targets: dict[int, _Target] = {}
        self._requests: deque[Any] = deque()
        self._ended = False
        self._wake = asyncio.Event()

    async def read(self, requests: AsyncIterator[Any]) -> None:
        """Queue the client's requests until its stream ends."""
        try:
            async for request in requests:
                self._requests.append(request)
                self._wake.set()
        finally:
            self._ended = True
            self._wake.set()

    async def wait_for_work(self) -> bool:
        """Wait for a request or a commit. Return False once the client has closed its side and has no target left."""
        if self._ended and not self._requests and not self._targets:
            return False
        await self._wake.wait()
        self._wake.clear()
        return True

    def close(self) -> None:
        if self._database is not None:
            self._database.watchers.discard(self._wake.set)

    async def messages(self) -> AsyncIterator[Any]:
        """Yield answers to the pending requests, then the changes of commits since the last call."""
        while self._requests:
            async for message in self._handle_request(self._requests.popleft()):
                yield message
        database = self._database
        if database is None or not self._targets:
            return
        micros = database.read_time()
        changes: list[Any] = []
        for target in list(self._targets.values()):
            changes += await self._messages_of_commits(database, target, micros)
        for message in changes:
            yield message
        if changes:
            yield self._snapshot_message(micros)

    async def _handle_request(self, request: Any) -> AsyncIterator[Any]:
        if self._database is None:
            self._database = self._databases.get(request.database)
            self._database.watchers.add(self._wake.set)
        kind = request.WhichOneof("target_change")
        if kind == "remove_target":
            if self._targets.pop(request.remove_target, None) is not None:
                yield _target_change(_REMOVE, [request.remove_target])
            return
        if kind != "add_target":
            raise invalid("A listen request must add or remove a target.")
        wire = request.add_target
        identity = wire.target_id or max(self._targets, default=0) + 1
        if identity in self._targets:
            raise invalid(f"Target id already exists: {identity}")
        try:
            target = self._target(self._database, identity, wire)
        except Refusal as refusal:
            change = _target_change(_REMOVE, [identity])
            change.target_change.cause.code = refusal.code.value[0]
            change.target_change.cause.message = refusal.message
            yield change
            return
        yield _target_change(_ADD, [identity])
        async for message in self._initial_messages(self._database, target, wire):
            yield message
        if wire.once:
            yield _target_change(_REMOVE, [identity])
        else:
            self._targets[identity] = target

    def _target(self, database: Database, identity: int, wire: Target) -> _Target:
        kind = wire.WhichOneof("target_type")
        if kind == "documents":
            names = frozenset(paths.document_path(name, database.name) for name in wire.documents.documents)
            if not names:
                raise invalid("A target of documents must name some.")
            return _Target(identity, None, names)
        if kind != "query" or wire.query.WhichOneof("query_type") != "structured_query":
            raise invalid("A target must name documents or a structured query.")
        owner, parent = paths.parent_path(wire.query.parent)
        if owner != database.name:
            raise invalid("A target must lie in the database that the stream listens to.")
        query = parse_query(owner, parent, wire.query.structured_query)
        self._check(query)
        return _Target(identity, query)

    async def _initial_messages(self, database: Database, target: _Target, wire: Target) -> AsyncIterator[Any]:
        """Yield all documents of the target, or only the changes since the time that the client resumes from."""
        micros = database.read_time()
        since = self._resume_time(database, wire)
        if since is not None:
            target.sent_versions = _update_times(await self._documents_at(database, target, since))
        elif wire.WhichOneof("resume_type") is not None:
            yield _target_change(_RESET, [target.identity])
        documents = await self._documents_at(database, target, micros)
        target.since = micros
        if since is None:
            for path in sorted(target.names - documents.keys()):
                yield _removal_message(database, path, [target.identity], micros, exists=False)
        sent = 0
        for message in self._difference(database, target, documents, micros):
            sent += 1
            yield message
        self._bill_reads(max(1, sent))
        current = _target_change(_CURRENT, [target.identity])
        current.target_change.resume_token = self._token(micros)
        current.target_change.read_time.CopyFrom(timestamp_of(micros))
        yield current
        yield self._snapshot_message(micros)

    async def _messages_of_commits(self, database: Database, target: _Target, micros: int) -> list[Any]:
        """Return the messages for what commits changed in the target since its last snapshot."""
        since, target.since = target.since, micros
        query = target.query
        limited = query is not None and (query.limit is not None or query.offset > 0)
        changed = [record for record in database.changed_since(since) if _concerns(target, record.path)]
        if limited or since < database.oldest_read():
            if not changed and since >= database.oldest_read():
                return []
            documents = await self._documents_at(database, target, micros)
            messages = list(self._difference(database, target, documents, micros))
        else:
            messages = []
            for record in changed:
                document = record.at(micros)
                if document is not None and (query is None or query.place(document) is not None):
                    messages += _change_message(target, record.path, document)
                elif record.path in target.sent_versions:
                    del target.sent_versions[record.path]
                    exists = document is not None
                    messages.append(_removal_message(database, record.path, [target.identity], micros, exists=exists))
        self._bill_reads(len(messages))
        return messages

    async def _documents_at(self, database: Database, target: _Target, micros: int) -> dict[str, Document]:
        """Return the target's documents at a time, by path."""
        if target.query is not None:
            found_documents = (await search.run(database, target.query, micros)).documents
            return {paths.document_path(document.name, database.name): document for document in found_documents}
        records = ((path, database.record(path)) for path in target.names)
        states = ((path, record.at(micros)) for path, record in records if record is not None)
        return {path: document for path, document in states if document is not None}

    def _difference(
        self, database: Database, target: _Target, documents: Mapping[str, Document], micros: int
    ) -> Iterator[Any]:
        """Yield the messages that bring the client from the documents it holds to `documents`."""
        for path in [path for path in target.sent_versions if path not in documents]:
            del target.sent_versions[path]
            record = database.record(path)
            exists = record is not None and record.at(micros) is not None
            yield _removal_message(database, path, [target.identity], micros, exists=exists)
        for path, document in documents.items():
            yield from _change_message(target, path, document)

    def _resume_time(self, database: Database, wire: Target) -> int | None:
        """Return the time to resume from, or None if there is none or the history since then is gone."""
        kind = wire.WhichOneof("resume_type")
        since = -1
        if kind == "resume_token" and len(wire.resume_token) == _TOKEN.size:
            identity, moment = _TOKEN.unpack(wire.resume_token)
            since = moment if identity == self._databases.identity else -1
        elif kind == "read_time":
            since = micros_of(wire.read_time)
        return since if database.oldest_read() <= since <= database.last else None

    def _token(self, micros: int) -> bytes:
        return _TOKEN.pack(self._databases.identity, micros)

    def _snapshot_message(self, micros: int) -> Any:
        """Return the message that everything sent so far is a consistent snapshot."""
        step = _target_change(_NO_CHANGE, [])
        step.target_change.read_time.CopyFrom(timestamp_of(micros))
        step.target_change.resume_token = self._token(micros)
        return step

    def _bill_reads(self, reads: int) -> None:
        if reads:
            self._ledger.count("firestore", "reads", reads)


def _concerns(target: _Target, path: str) -> bool:
    return path in target.names if target.query is None else target.query.holds(path)


def _update_times(documents: Mapping[str, Document]) -> dict[str, int]:
    return {path: micros_of(document.update_time) for path, document in documents.items()}


def _change_message(target: _Target, path: str, document: Document) -> Iterator[Any]:
    micros = micros_of(document.update_time)
    if target.sent_versions.get(path) != micros:
        target.sent_versions[path] = micros
        message = _ListenResponse()
        projection = target.query.projection if target.query is not None else None
        message.document_change.document.CopyFrom(masked(document, projection))
        message.document_change.target_ids.append(target.identity)
        yield message


def _removal_message(database: Database, path: str, targets: list[int], micros: int, *, exists: bool) -> Any:
    """Return the message that a document was deleted (`exists` is False) or no longer matches."""
    message = _ListenResponse()
    change = message.document_remove if exists else message.document_delete
    change.document = f"{database.name}/documents/{path}"
    change.removed_target_ids.extend(targets)
    change.read_time.CopyFrom(timestamp_of(micros))
    return message


def _target_change(kind: int, targets: list[int]) -> Any:
    return _ListenResponse(target_change=_TargetChange(target_change_type=kind, target_ids=targets))
