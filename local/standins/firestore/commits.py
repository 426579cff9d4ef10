"""The RPCs that change documents, and those that begin and end transactions."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.cloud.firestore_v1 import types
from google.protobuf.empty_pb2 import Empty

from local.standins.firestore import masks, paths, read_times
from local.standins.firestore.databases import Databases, Written, written_name
from local.standins.firestore.wire import Document, Refusal, Write, invalid, timestamp_of

_BeginTransactionResponse: Any = types.BeginTransactionResponse.pb()
_CommitResponse: Any = types.CommitResponse.pb()
_BatchWriteResponse: Any = types.BatchWriteResponse.pb()
_WriteResponse: Any = types.WriteResponse.pb()
_BATCH = 500
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Commits:
    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    async def begin_transaction(self, request: Any) -> Any:
        transaction = read_times.begin(self._databases, paths.check_database(request.database), request.options)
        return _BeginTransactionResponse(transaction=transaction.id)

    async def rollback(self, request: Any) -> Any:
        self._databases.transactions(paths.check_database(request.database)).roll_back(request.transaction)
        return Empty()

    async def commit(self, request: Any) -> Any:
        written, micros = self._databases.commit(request.database, request.writes, request.transaction)
        return _CommitResponse(write_results=map(_result, written), commit_time=timestamp_of(micros))

    async def batch_write(self, request: Any) -> Any:
        if len(request.writes) > _BATCH:
            raise invalid(f"A batch may hold at most {_BATCH} writes.")
        if len({written_name(write) for write in request.writes}) < len(request.writes):
            raise invalid("A document may be written only once in a batch.")
        answer = _BatchWriteResponse()
        for outcome in await self._databases.try_each(paths.check_database(request.database), request.writes):
            refused = isinstance(outcome, Refusal)
            answer.write_results.append(types.WriteResult.pb()() if isinstance(outcome, Refusal) else _result(outcome))
            status = answer.status.add()
            if refused:
                assert isinstance(outcome, Refusal)
                status.code, status.message = outcome.code.value[0], outcome.message
        return answer

    async def create_document(self, request: Any) -> Document:
        paths.check_collection_id(request.collection_id)
        identity = request.document_id or "".join(secrets.choice(_LETTERS) for _ in range(20))
        update = Document(name=f"{request.parent}/{request.collection_id}/{identity}", fields=request.document.fields)
        write = Write(update=update)
        write.current_document.exists = False
        return self._written(write, request)

    async def update_document(self, request: Any) -> Document:
        write = Write(update=Document(name=request.document.name, fields=request.document.fields))
        if request.HasField("update_mask"):
            write.update_mask.CopyFrom(request.update_mask)
        write.current_document.CopyFrom(request.current_document)
        return self._written(write, request)

    async def delete_document(self, request: Any) -> Any:
        write = Write(delete=request.name)
        write.current_document.CopyFrom(request.current_document)
        self._databases.commit(paths.split(request.name)[0], [write])
        return Empty()

    async def write(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Answer the write stream of the mobile and web clients: each request is one commit, in order."""
        name, stream = "", os.urandom(8).hex()
        sent = 0
        async for request in requests:
            if not sent:
                name = paths.check_database(request.database)
                if request.stream_id:
                    raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "Write streams cannot be resumed here.")
            sent += 1
            answer = _WriteResponse(stream_id=stream, stream_token=str(sent).encode())
            if sent > 1:
                written, micros = self._databases.commit(name, request.writes)
                answer.write_results.extend(map(_result, written))
                answer.commit_time.CopyFrom(timestamp_of(micros))
            yield answer

    def _written(self, write: Write, request: Any) -> Document:
        name = paths.split(write.update.name)[0]
        path = paths.document_path(write.update.name, name)
        self._databases.commit(name, [write])
        document = self._databases.get(name).document(path)
        assert document is not None
        return masks.masked(document, masks.read(request))


def _result(written: Written) -> Any:
    result = types.WriteResult.pb()(transform_results=written.transform_results)
    if written.update_time is not None:
        result.update_time.CopyFrom(timestamp_of(written.update_time))
    return result
