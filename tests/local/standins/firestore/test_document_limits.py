"""What Firestore refuses to store, and what is just small enough."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud import firestore


@pytest.mark.parametrize("name", ["__reserved__", ".", "..", "x" * 1501])
def test_document_ids_that_firestore_reserves_are_refused(collection: Any, name: str) -> None:
    with pytest.raises(InvalidArgument):
        collection.document(name).set({"a": 1})


@pytest.mark.parametrize(
    "data",
    [
        {"__reserved__": 1},
        {"x" * 1501: 1},
        {"a": {"": 1}},
        {"a": [[1]]},
        {"a": "x" * 1024 * 1024},
    ],
    ids=["reserved name", "long name", "empty name", "array in array", "1 MiB"],
)
def test_documents_that_firestore_would_not_store_are_refused(collection: Any, data: dict[str, Any]) -> None:
    from google.cloud.firestore_v1 import _helpers
    from google.cloud.firestore_v1.types import CommitRequest, Document, Value, Write

    client = collection._client
    if data.get("a") == [[1]]:
        inner = _helpers.encode_value([1])
        fields = {"a": Value(array_value={"values": [inner]})}
    else:
        fields = _helpers.encode_dict(data)
    write = Write(update=Document(name=collection.document("d")._document_path, fields=fields))
    request = CommitRequest(database=client._database_string, writes=[write])
    with pytest.raises(InvalidArgument):
        client._firestore_api.commit(request=request, metadata=client._rpc_metadata)
    assert not collection.document("d").get().exists


def test_a_document_just_under_a_mebibyte_is_stored(collection: Any) -> None:
    collection.document("d").set({"a": "x" * (1024 * 1024 - 200)})
    assert len(collection.document("d").get().get("a")) == 1024 * 1024 - 200


def test_documents_may_be_twenty_levels_deep(collection: Any) -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"a": nested(levels - 1)} if levels > 1 else {"a": 1}

    collection.document("d").set(nested(20))
    with pytest.raises(InvalidArgument):
        collection.document("e").set(nested(21))


def test_a_commit_over_ten_mebibytes_is_refused(db: Any, collection: Any) -> None:
    batch = db.batch()
    for number in range(11):
        batch.set(collection.document(str(number)), {"a": "x" * (1024 * 1024 - 200)})
    with pytest.raises(InvalidArgument):
        batch.commit()


def test_more_than_500_transforms_of_a_document_are_refused(collection: Any) -> None:
    collection.document("d").set({f"f{n}": firestore.Increment(1) for n in range(500)})
    with pytest.raises(InvalidArgument):
        collection.document("d").set({f"f{n}": firestore.Increment(1) for n in range(501)})
