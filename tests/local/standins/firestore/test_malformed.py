"""Requests that the client library would not send: each is refused as INVALID_ARGUMENT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument

OF_PIPELINES: list[dict[str, Any]] = [
    {"field_reference_value": "a"},
    {"variable_reference_value": "a"},
    {"function_value": {"name": "add"}},
    {"pipeline_value": {}},
]
OUT_OF_RANGE: dict[str, Any] = {"timestamp_value": {"seconds": 1, "nanos": -2000}}


def as_filter(value: Any) -> dict[str, Any]:
    return {"where": {"field_filter": {"field": {"field_path": "a"}, "op": "EQUAL", "value": value}}}


def as_list(value: Any) -> dict[str, Any]:
    return as_filter({"array_value": {"values": [value]}})


def as_cursor(value: Any) -> dict[str, Any]:
    return {"order_by": [{"field": {"field_path": "a"}}], "start_at": {"values": [value]}}


@pytest.mark.parametrize("value", [*OF_PIPELINES, OUT_OF_RANGE])
@pytest.mark.parametrize("place", [as_filter, as_list, as_cursor])
def test_a_query_compares_with_no_value_that_documents_cannot_hold(
    db: Any, collection: Any, value: dict[str, Any], place: Callable[[Any], dict[str, Any]]
) -> None:
    query = {"from_": [{"collection_id": collection.id}], **place(value)}
    request = {"parent": f"{db._database_string}/documents", "structured_query": query}
    with pytest.raises(InvalidArgument, match="value"):
        list(db._firestore_api.run_query(request=request, metadata=db._rpc_metadata))


@pytest.mark.parametrize("value", OF_PIPELINES)
def test_a_transform_takes_no_value_that_documents_cannot_hold(db: Any, collection: Any, value: dict[str, Any]) -> None:
    for kind in ("append_missing_elements", "remove_all_from_array"):
        transform = {"field_path": "a", kind: {"values": [value]}}
        name = collection.document("d")._document_path
        write = {"update": {"name": name}, "update_transforms": [transform]}
        request = {"database": db._database_string, "writes": [write]}
        with pytest.raises(InvalidArgument, match="value"):
            db._firestore_api.commit(request=request, metadata=db._rpc_metadata)


@pytest.mark.parametrize("token", ["\u00e9", "a", "_w==", "/"])
def test_page_tokens_that_were_not_given_out_are_refused(db: Any, collection: Any, token: str) -> None:
    parent = f"{db._database_string}/documents"
    api, query = db._firestore_api, db.collection_group(collection.id)._to_protobuf()
    with pytest.raises(InvalidArgument, match="page token"):
        api.list_collection_ids(request={"parent": parent, "page_token": token}, metadata=db._rpc_metadata)
    request = {"parent": parent, "structured_query": query, "partition_count": 2, "page_token": token}
    with pytest.raises(InvalidArgument, match="page token"):
        api.partition_query(request=request, metadata=db._rpc_metadata)
