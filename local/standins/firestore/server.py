"""The gRPC server that answers `google.firestore.v1.Firestore`."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.cloud.firestore_v1 import types

from local.standins.firestore.commits import Commits
from local.standins.firestore.databases import Databases, written_name
from local.standins.firestore.indexes import Indexes
from local.standins.firestore.journal import Journal
from local.standins.firestore.listen import Listeners
from local.standins.firestore.queries import Queries
from local.standins.firestore.reads import Reads
from local.standins.firestore.ttl import TimeToLive
from local.standins.grpc_refusals import Refusal, refuse
from local.standins.ledger import current_call
from local.standins.wire_tap import Tap
from shared.clock import Clock

_SERVICE = "google.firestore.v1.Firestore"
_OPTIONS = [
    # A little above the 10 MiB of a request: what is too large is refused by name, not by the transport.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
]


class FirestoreStandIn:
    """Firestore on 127.0.0.1.

    `indexes`: the file that declares indexes and TTL fields; queries that it does not cover are refused. None: every
    query is answered, and nothing expires. `ttl_seconds`: how often expired documents are looked for.
    """

    def __init__(
        self, *, clock: Clock, data: Path | None, tap: Tap, indexes: Path | None = None, ttl_seconds: float = 30.0
    ) -> None:
        self._tap = tap
        self._databases = Databases(clock, tap.ledger, Journal(data))
        declared = Indexes(indexes)
        self._reads = Reads(self._databases, tap.ledger)
        self._queries = Queries(self._databases, tap.ledger, declared)
        self._commits = Commits(self._databases)
        self._listeners = Listeners(self._databases, tap.ledger, declared.check)
        self._ttl = TimeToLive(self._databases, clock, declared.ttl, ttl_seconds)
        self._sweeps: asyncio.Task[None] | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        await asyncio.to_thread(self._databases.open)
        self._server = grpc.aio.server(
            interceptors=[self._tap.grpc("firestore")], options=_OPTIONS, maximum_concurrent_rpcs=None
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, self._handlers()),))
        bound: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        self._sweeps = asyncio.create_task(self._ttl.run())
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            if self._sweeps is not None:
                self._sweeps.cancel()
            await self._server.stop(None)
            self._server = None
            self._databases.close()

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        reads, queries, commits = self._reads, self._queries, self._commits
        return {
            "GetDocument": _unary(reads.get_document, types.GetDocumentRequest.pb()),
            "BatchGetDocuments": _stream(reads.batch_get_documents, types.BatchGetDocumentsRequest.pb()),
            "RunQuery": _stream(queries.run_query, types.RunQueryRequest.pb()),
            "RunAggregationQuery": _stream(queries.run_aggregation_query, types.RunAggregationQueryRequest.pb()),
            "PartitionQuery": _unary(queries.partition_query, types.PartitionQueryRequest.pb()),
            "ListDocuments": _unary(reads.list_documents, types.ListDocumentsRequest.pb()),
            "ListCollectionIds": _unary(reads.list_collection_ids, types.ListCollectionIdsRequest.pb()),
            "BeginTransaction": _unary(commits.begin_transaction, types.BeginTransactionRequest.pb()),
            "Commit": _unary(commits.commit, types.CommitRequest.pb()),
            "Rollback": _unary(commits.rollback, types.RollbackRequest.pb()),
            "BatchWrite": _unary(commits.batch_write, types.BatchWriteRequest.pb()),
            "CreateDocument": _unary(commits.create_document, types.CreateDocumentRequest.pb()),
            "UpdateDocument": _unary(commits.update_document, types.UpdateDocumentRequest.pb()),
            "DeleteDocument": _unary(commits.delete_document, types.DeleteDocumentRequest.pb()),
            "Listen": _both_ways(self._listeners.listen, types.ListenRequest.pb()),
            "Write": _both_ways(commits.write, types.WriteRequest.pb()),
            "ExecutePipeline": _stream(_no_pipelines, types.ExecutePipelineRequest.pb()),
        }


async def _no_pipelines(request: Any) -> AsyncIterator[Any]:
    raise Refusal(
        grpc.StatusCode.UNIMPLEMENTED, "ExecutePipeline is not implemented: pipelines need Enterprise edition."
    )
    yield


def _note(message: Any) -> None:
    """Note the call's document in the ledger, if it concerns a single one."""
    if isinstance(message, types.CommitRequest.pb()) and len(message.writes) == 1:
        name = written_name(message.writes[0])
    elif isinstance(message, types.BatchGetDocumentsRequest.pb()) and len(message.documents) == 1:
        name = message.documents[0]
    elif isinstance(message, types.GetDocumentRequest.pb()):
        name = message.name
    else:
        return
    current_call.get().notes["document"] = name.partition("/documents/")[2]


def _serialized(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _unary(answer: Callable[[Any], Awaitable[Any]], request: Any) -> grpc.RpcMethodHandler:
    async def handle(message: Any, context: grpc.aio.ServicerContext) -> Any:
        _note(message)
        try:
            return await answer(message)
        except Refusal as refusal:
            await refuse(context, refusal)

    return grpc.unary_unary_rpc_method_handler(handle, request.FromString, _serialized)


def _stream(answer: Callable[[Any], AsyncIterator[Any]], request: Any) -> grpc.RpcMethodHandler:
    return grpc.unary_stream_rpc_method_handler(_answers(answer), request.FromString, _serialized)


def _both_ways(answer: Callable[[Any], AsyncIterator[Any]], request: Any) -> grpc.RpcMethodHandler:
    return grpc.stream_stream_rpc_method_handler(_answers(answer), request.FromString, _serialized)


def _answers(
    answer: Callable[[Any], AsyncIterator[Any]],
) -> Callable[[Any, grpc.aio.ServicerContext], AsyncIterator[Any]]:
    async def handle(incoming: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        _note(incoming)
        try:
            async for message in answer(incoming):
                yield message
        except Refusal as refusal:
            await refuse(context, refusal)

    return handle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--indexes",
        type=Path,
        metavar="FILE",
        help="refuse queries that the indexes in this file (such as firestore.indexes.json) do not cover",
    )


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> FirestoreStandIn:
    return FirestoreStandIn(clock=clock, data=data, tap=tap, indexes=args.indexes)
