"""The raw protobuf classes of google.firestore.v1, and the error that an RPC answers with.

proto-plus wrappers cost several times what the raw messages do, so the stand-in works on the messages beneath them.
Those carry no types of their own: to the type checker each is a class whose attributes are unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from local.standins.grpc_refusals import Refusal, invalid

if TYPE_CHECKING:

    class _Raw:
        def __init__(self, **fields: Any) -> None: ...
        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...
        @classmethod
        def FromString(cls, data: bytes) -> Any: ...  # noqa: N802

    class Value(_Raw): ...

    class MapValue(_Raw): ...

    class ArrayValue(_Raw): ...

    class Document(_Raw): ...

    class DocumentMask(_Raw): ...

    class Precondition(_Raw): ...

    class Write(_Raw): ...

    class FieldTransform(_Raw):
        ServerValue: Any

    class StructuredQuery(_Raw): ...

    class Cursor(_Raw): ...

    class Timestamp(_Raw): ...

    class CommitRequest(_Raw): ...

    class Target(_Raw): ...

else:
    from google.cloud.firestore_v1 import types
    from google.protobuf.timestamp_pb2 import Timestamp

    Value = types.Value.pb()
    MapValue = types.MapValue.pb()
    ArrayValue = types.ArrayValue.pb()
    Document = types.Document.pb()
    DocumentMask = types.DocumentMask.pb()
    Precondition = types.Precondition.pb()
    Write = types.Write.pb()
    FieldTransform = types.DocumentTransform.FieldTransform.pb()
    StructuredQuery = types.StructuredQuery.pb()
    Cursor = types.Cursor.pb()
    CommitRequest = types.CommitRequest.pb()
    Target = types.Target.pb()

__all__ = [
    "ArrayValue",
    "CommitRequest",
    "Cursor",
    "Document",
    "DocumentMask",
    "FieldTransform",
    "MapValue",
    "Precondition",
    "Refusal",
    "StructuredQuery",
    "Target",
    "Timestamp",
    "Value",
    "Write",
    "aborted",
    "failed_precondition",
    "invalid",
    "micros_of",
    "timestamp_of",
]


def failed_precondition(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, message)


def aborted(message: str) -> Refusal:
    return Refusal(grpc.StatusCode.ABORTED, message)


def timestamp_of(micros: int) -> Timestamp:
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def micros_of(timestamp: Timestamp) -> int:
    """Microseconds since 1970; what is finer is cut off, as Firestore does when it stores."""
    return int(timestamp.seconds) * 1_000_000 + int(timestamp.nanos) // 1000
