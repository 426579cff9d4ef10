"""Convert between Firestore's protobuf messages and plain Python values.

The client library builds every value of a document as an object of its own and looks each one up again, which took half
of generate's CPU time. Here the generated protobuf classes are filled directly; the client still sends the calls.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import grpc
from google.api_core import exceptions as api_errors
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.cloud import firestore
from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import firestore as firestore_types
from google.cloud.firestore_v1.types import write as write_types
from google.cloud.firestore_v1.vector import Vector

_COMMIT = firestore_types.CommitRequest
_QUERY_RESPONSE = firestore_types.RunQueryResponse
_BATCH_GET = firestore_types.BatchGetDocumentsRequest
_BATCH_RESPONSE = firestore_types.BatchGetDocumentsResponse
_GET = firestore_types.GetDocumentRequest
_new_commit, _new_batch_get, _new_get, _new_write = _COMMIT.pb(), _BATCH_GET.pb(), _GET.pb(), write_types.Write.pb()
_TRY_SECONDS = 10.0

Version = Any
"""When a document was last written: a `google.protobuf.timestamp_pb2.Timestamp`, exact to the nanosecond."""
FoundDocument = tuple[str, dict[str, Any], Version]
"""Key, fields and version."""


def set_value(target: Any, value: object) -> None:
    """Set a protobuf `Value`. Raises `TypeError` for a type that no document holds."""
    match value:
        case None:
            target.null_value = 0
        case bool():
            target.boolean_value = value
        case int():
            target.integer_value = value
        case float():
            target.double_value = value
        case str():
            target.string_value = value
        case datetime():
            target.timestamp_value.FromDatetime(value)
        case Vector():
            set_value(target, {"__type__": "__vector__", "value": list(value)})
        case dict():
            target.map_value.SetInParent()
            set_fields(target.map_value.fields, value)
        case list() | tuple():
            target.array_value.SetInParent()
            for item in value:
                set_value(target.array_value.values.add(), item)
        case _:
            raise TypeError(f"{type(value).__name__} cannot be stored in a document")


def set_fields(target: Any, fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        set_value(target[name], value)


def value_of(value: Any) -> Any:
    """Return the Python value of a protobuf `Value`, with the types that a task document has."""
    match value.WhichOneof("value_type"):
        case "null_value" | None:
            return None
        case "timestamp_value":
            return value.timestamp_value.ToDatetime(tzinfo=UTC)
        case "map_value":
            return fields_of(value.map_value.fields)
        case "array_value":
            return [value_of(item) for item in value.array_value.values]
        case kind:
            return getattr(value, kind)


def fields_of(fields: Any) -> dict[str, Any]:
    return {name: value_of(value) for name, value in fields.items()}


async def create(client: firestore.AsyncClient, path: str, fields: Mapping[str, object]) -> None:
    """Create a document. Raises `google.api_core.exceptions.AlreadyExists`."""
    request = _new_commit(database=client._database_string)
    write = request.writes.add()
    write.update.name = path
    set_fields(write.update.fields, fields)
    write.current_document.exists = False
    await _commit(client, request)


async def update(
    client: firestore.AsyncClient,
    path: str,
    fields: Mapping[str, object],
    version: Version,
    also: Iterable[write_types.Write] = (),
) -> Version:
    """Replace these fields of a document that is still as it was at `version`; return its new version.

    `also`: writes of other documents in the same commit.
    """
    request = _new_commit(database=client._database_string)
    write = request.writes.add()
    write.update.name = path
    set_fields(write.update.fields, fields)
    write.update_mask.field_paths.extend(sorted(fields))
    write.current_document.update_time.CopyFrom(version)
    request.writes.extend(write_types.Write.pb(other) for other in also)
    return (await _commit(client, request)).write_results[0].update_time


async def set_field(client: firestore.AsyncClient, path: str, field: str, value: object) -> None:
    """Set one field of a document that exists. Raises `google.api_core.exceptions.NotFound`."""
    request = _new_commit(database=client._database_string)
    write = request.writes.add()
    write.update.name = path
    set_fields(write.update.fields, {field: value})
    write.update_mask.field_paths.append(field)
    write.current_document.exists = True
    await _commit(client, request)


def merge_write(path: str, fields: Mapping[str, object], increments: Mapping[str, int]) -> write_types.Write:
    """Return a write that sets some fields of a document and adds to its counters; the document may not exist yet.

    `fields`: nested; the maps in it are merged with those of the document. `increments`: what to add, by field path.
    All names are plain, so that no path needs quotes.
    """
    write = _new_write()
    write.update.name = path
    set_fields(write.update.fields, fields)
    write.update_mask.field_paths.extend(_leaves(fields))
    for field, count in increments.items():
        transform = write.update_transforms.add()
        transform.field_path = field
        transform.increment.integer_value = count
    return cast(write_types.Write, write_types.Write.wrap(write))


def _leaves(fields: Mapping[str, object], before: str = "") -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name


async def _commit(client: firestore.AsyncClient, request: Any) -> Any:
    response = await client._firestore_api.commit(request=_COMMIT.wrap(request), metadata=client._rpc_metadata)
    return firestore_types.CommitResponse.pb(response)


async def get_undecoded(client: firestore.AsyncClient, path: str) -> Any | None:
    """Return a document's message. None if it does not exist, or if the first try fails: `get` tries again."""
    call = client._firestore_api.transport.get_document
    routing = to_grpc_metadata((("name", path),))  # type: ignore[no-untyped-call]
    metadata = (*client._rpc_metadata, routing)
    try:
        document = await call(_GET.wrap(_new_get(name=path)), metadata=metadata, timeout=_TRY_SECONDS)
    except grpc.aio.AioRpcError:
        return None
    return document_types.Document.pb(document)


async def get(client: firestore.AsyncClient, path: str) -> FoundDocument | None:
    """Return a document, or None."""
    try:
        request = _GET.wrap(_new_get(name=path))
        document = await client._firestore_api.get_document(request=request, metadata=client._rpc_metadata)
    except api_errors.NotFound:
        return None
    return _found(document_types.Document.pb(document))


async def get_many(client: firestore.AsyncClient, paths: Iterable[str]) -> AsyncIterable[FoundDocument]:
    """Yield every document that exists, in any order."""
    request = _new_batch_get(database=client._database_string, documents=list(paths))
    responses = await client._firestore_api.batch_get_documents(
        request=_BATCH_GET.wrap(request), metadata=client._rpc_metadata
    )
    async for response in responses:
        raw = cast(Any, _BATCH_RESPONSE.pb(response))
        if raw.WhichOneof("result") == "found":
            yield _found(raw.found)


async def run_query(client: firestore.AsyncClient, query: firestore.AsyncQuery) -> list[FoundDocument]:
    """Return every document that a query finds, in the query's order."""
    parent, _ = query._parent._parent_info()
    request = {"parent": parent, "structured_query": query._to_protobuf()}
    responses = await client._firestore_api.run_query(request=request, metadata=client._rpc_metadata)
    # An answer without a document tells how far the service has read.
    raw = [_QUERY_RESPONSE.pb(response) async for response in responses]
    return [_found(response.document) for response in raw if response.HasField("document")]


def _found(document: Any) -> FoundDocument:
    return document.name.rpartition("/")[2], fields_of(document.fields), document.update_time
