from __future__ import annotations

import math
import queue
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from google.api_core.datetime_helpers import DatetimeWithNanoseconds
from google.api_core.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from google.cloud import firestore
from google.cloud.firestore_v1.vector import Vector


def test_every_type_of_value_comes_back_as_it_was_stored(db: Any, collection: Any) -> None:
    data = {
        "null": None,
        "yes": True,
        "integer": 2**63 - 1,
        "double": -0.5,
        "time": datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC),
        "text": "grüße\x00 ☃",
        "bytes": b"\x00\xff",
        "reference": db.document("other/doc"),
        "point": firestore.GeoPoint(-90, 180),
        "array": [1, "two", {"three": 3}],
        "map": {"a": {"b.c": {"`": 1}}},
        "vector": Vector([1.0, 2.5]),
        "empty": {"array": [], "map": {}, "text": ""},
    }
    collection.document("d").set(data)
    assert collection.document("d").get().to_dict() == data


def test_nan_and_infinities_are_kept(collection: Any) -> None:
    collection.document("d").set({"nan": math.nan, "low": -math.inf})
    stored = collection.document("d").get().to_dict()
    assert math.isnan(stored["nan"])
    assert stored["low"] == -math.inf


def test_create_refuses_a_document_that_exists(collection: Any) -> None:
    collection.document("d").create({"a": 1})
    with pytest.raises(AlreadyExists):
        collection.document("d").create({"a": 2})
    assert collection.document("d").get().get("a") == 1


def test_set_replaces_the_whole_document_and_merge_keeps_the_rest(collection: Any) -> None:
    document = collection.document("d")
    document.set({"a": 1, "b": {"c": 2, "d": 3}})
    document.set({"b": {"c": 4}}, merge=True)
    assert document.get().to_dict() == {"a": 1, "b": {"c": 4, "d": 3}}
    document.set({"b": {"c": 5}, "a": 9}, merge=["b"])
    assert document.get().to_dict() == {"a": 1, "b": {"c": 5}}
    document.set({"x": 1})
    assert document.get().to_dict() == {"x": 1}


def test_update_reaches_nested_and_quoted_fields_and_deletes_them(collection: Any) -> None:
    document = collection.document("d")
    document.set({"a": {"b": 1, "c": 2}, "x.y": 1, "gone": 1})
    document.update(
        {"a.b": 7, "a.c": firestore.DELETE_FIELD, "`x.y`": 8, "new.deep": 9, "gone": firestore.DELETE_FIELD}
    )
    assert document.get().to_dict() == {"a": {"b": 7}, "x.y": 8, "new": {"deep": 9}}


def test_update_of_a_missing_document_is_not_found(collection: Any) -> None:
    with pytest.raises(NotFound):
        collection.document("d").update({"a": 1})
    assert not collection.document("d").get().exists


def test_an_update_time_precondition_holds_only_for_that_version(db: Any, collection: Any) -> None:
    document = collection.document("d")
    old = document.set({"a": 1}).update_time
    new = document.set({"a": 2}).update_time
    assert new > old
    with pytest.raises(FailedPrecondition):
        document.update({"a": 3}, option=db.write_option(last_update_time=old))
    with pytest.raises(FailedPrecondition):
        document.delete(option=db.write_option(last_update_time=old))
    document.update({"a": 3}, option=db.write_option(last_update_time=new))
    assert document.get().get("a") == 3


def test_a_precondition_on_existence_guards_a_delete(db: Any, collection: Any) -> None:
    with pytest.raises(NotFound):
        collection.document("d").delete(option=db.write_option(exists=True))
    collection.document("d").delete()


def test_update_times_rise_strictly_in_microseconds(collection: Any) -> None:
    times = [collection.document("d").set({"n": n}).update_time for n in range(50)]
    assert all(later > earlier for earlier, later in pairwise(times))
    assert all(time.nanosecond % 1000 == 0 for time in times)


def test_a_write_that_changes_nothing_keeps_the_update_time(collection: Any) -> None:
    document = collection.document("d")
    first = document.set({"a": [1, {"b": None}]}).update_time
    assert document.set({"a": [1, {"b": None}]}).update_time == first
    assert document.get().update_time == first


def test_create_time_survives_updates_but_not_deletion(collection: Any) -> None:
    document = collection.document("d")
    document.set({"a": 1})
    created = document.get().create_time
    document.set({"a": 2})
    assert document.get().create_time == created
    document.delete()
    document.set({"a": 3})
    assert document.get().create_time > created


def test_all_transforms_work_in_one_write(collection: Any) -> None:
    document = collection.document("d")
    document.set({"n": 5, "max": 3, "min": 3, "union": [1, 2], "remove": [1, 2, 1, 3]})
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    document.update(
        {
            "n": firestore.Increment(2),
            "deep.n": firestore.Increment(1.5),
            "max": firestore.Maximum(7),
            "min": firestore.Minimum(9),
            "union": firestore.ArrayUnion([2, 3, 3, 1.0]),
            "remove": firestore.ArrayRemove([1, 3.0]),
            "at": firestore.SERVER_TIMESTAMP,
            "plain": "too",
        }
    )
    stored = document.get().to_dict()
    assert before <= stored.pop("at") <= datetime.now(UTC)
    assert stored == {
        "n": 7,
        "deep": {"n": 1.5},
        "max": 7,
        "min": 3,
        "union": [1, 2, 3],
        "remove": [2],
        "plain": "too",
    }


@pytest.mark.parametrize(
    ("stored", "step", "result"),
    [
        (2**63 - 1, 1, 2**63 - 1),
        (-(2**63), -5, -(2**63)),
        (1, 0.5, 1.5),
        (1.5, 1, 2.5),
        ("text", 4, 4),
        (None, 4, 4),
    ],
)
def test_an_increment_saturates_widens_and_replaces(
    collection: Any, stored: object, step: float, result: object
) -> None:
    collection.document("d").set({"n": stored})
    collection.document("d").update({"n": firestore.Increment(step)})
    found = collection.document("d").get().get("n")
    assert (found, type(found)) == (result, type(result))


@pytest.mark.parametrize(
    ("stored", "operand", "result"),
    [(3, 3.0, 3), (3.0, 3, 3.0), (2, 2.5, 2.5), ("text", 1, 1), (1, math.nan, math.nan)],
)
def test_the_maximum_keeps_the_type_of_the_larger(
    collection: Any, stored: object, operand: Any, result: object
) -> None:
    collection.document("d").set({"n": stored})
    collection.document("d").update({"n": firestore.Maximum(operand)})
    found = collection.document("d").get().get("n")
    assert type(found) is type(result)
    assert found == result or (found != found and result != result)


def test_a_batch_is_applied_whole_or_not_at_all(db: Any, collection: Any) -> None:
    collection.document("there").set({"a": 1})
    batch = db.batch()
    batch.set(collection.document("new"), {"a": 1})
    batch.update(collection.document("there"), {"a": 2})
    batch.create(collection.document("there"), {"a": 3})
    with pytest.raises(AlreadyExists):
        batch.commit()
    assert not collection.document("new").get().exists
    assert collection.document("there").get().get("a") == 1


def test_later_writes_of_a_commit_see_the_earlier_ones(db: Any, collection: Any) -> None:
    batch = db.batch()
    batch.create(collection.document("d"), {"n": 1})
    batch.update(collection.document("d"), {"n": firestore.Increment(1)})
    batch.delete(collection.document("e"))
    results = batch.commit()
    assert collection.document("d").get().get("n") == 2
    assert results[0].update_time == results[1].update_time


def test_a_bulk_write_answers_each_write_for_itself(db: Any, collection: Any) -> None:
    from google.cloud.firestore_v1.types import BatchWriteRequest, Document, Precondition, Write

    collection.document("there").set({"a": 1})
    names = [collection.document(name)._document_path for name in ("there", "new")]
    writes = [Write(update=Document(name=name), current_document=Precondition(exists=False)) for name in names]
    request = BatchWriteRequest(database=db._database_string, writes=writes)
    answer = db._firestore_api.batch_write(request=request, metadata=db._rpc_metadata)
    assert [status.code for status in answer.status] == [6, 0]
    assert collection.document("new").get().exists


def test_get_all_answers_what_is_there_and_then_what_is_missing(db: Any, collection: Any) -> None:
    collection.document("a").set({"n": 1, "m": 2})
    collection.document("c").set({"n": 3})
    references = [collection.document(name) for name in ("c", "b", "a", "c")]
    snapshots = list(db.get_all(references, field_paths=["n"]))
    assert [(snapshot.id, snapshot.to_dict()) for snapshot in snapshots] == [
        ("c", {"n": 3}),
        ("a", {"n": 1}),
        ("b", None),
    ]


def test_a_field_mask_reaches_into_maps(collection: Any) -> None:
    collection.document("d").set({"a": {"b": 1, "c": 2}, "d": 3, "e": 4})
    assert collection.document("d").get(["a.b", "e", "absent"]).to_dict() == {"a": {"b": 1}, "e": 4}


def test_databases_and_projects_are_separate(host: str, collection: Any) -> None:
    collection.document("d").set({"a": 1})
    for project, database in (("elsewhere", None), ("stand-in", "named")):
        client: Any = firestore.Client(project=project, database=database)
        assert not client.document(f"{collection.id}/d").get().exists
        client.close()


def test_collections_are_listed_also_below_documents_that_do_not_exist(db: Any, collection: Any) -> None:
    collection.document("missing").collection("sub").document("x").set({})
    collection.document("there").set({})
    assert collection.id in {each.id for each in db.collections()}
    assert [each.id for each in collection.document("missing").collections()] == ["sub"]
    assert [document.id for document in collection.list_documents()] == ["missing", "there"]
    assert [snapshot.id for snapshot in collection.stream()] == ["there"]


def test_listing_documents_goes_page_by_page(db: Any, collection: Any) -> None:
    for number in range(7):
        collection.document(f"d{number}").set({"n": number % 3})
    request = {"parent": db._database_string + "/documents", "collection_id": collection.id, "page_size": 3}
    for order, expected in (("", "012 345 6"), ("__name__ desc", "654 321 0"), ("n", "036 142 5")):
        listed = db._firestore_api.list_documents({**request, "order_by": order}, metadata=db._rpc_metadata)
        pages = ["".join(document.name[-1] for document in page.documents) for page in listed.pages]
        assert " ".join(pages) == expected


def test_reads_at_a_past_time_see_the_past(db: Any, collection: Any) -> None:
    document = collection.document("d")
    first = document.set({"a": 1}).update_time
    second = document.set({"a": 2}).update_time
    document.delete()
    assert document.get(read_time=first).get("a") == 1
    assert [snapshot.get("a") for snapshot in collection.stream(read_time=second)] == [2]
    assert not document.get().exists
    assert [
        each.get("a") for each in collection.where(filter=firestore.FieldFilter("a", "==", 1)).get(read_time=first)
    ] == [1]


def test_reads_at_times_not_kept_are_refused(collection: Any) -> None:
    with pytest.raises(FailedPrecondition):
        collection.document("d").get(read_time=datetime.now(UTC) - timedelta(hours=2))
    with pytest.raises(InvalidArgument):
        collection.document("d").get(read_time=datetime.now(UTC) + timedelta(hours=1))


def test_times_are_kept_to_the_microsecond(collection: Any) -> None:
    timestamps: Any = DatetimeWithNanoseconds
    moment = timestamps.from_rfc3339("2024-01-01T00:00:00.123456789Z")
    collection.document("d").set({"at": moment})
    assert collection.document("d").get().get("at").rfc3339() == "2024-01-01T00:00:00.123456Z"
    assert len(collection.where(filter=firestore.FieldFilter("at", "==", moment)).get()) == 1


def test_a_database_may_be_named_documents(host: str) -> None:
    client: Any = firestore.Client(project="stand-in", database="documents")
    client.document("documents/documents").set({"n": 1})
    assert [snapshot.reference.path for snapshot in client.collection("documents").stream()] == ["documents/documents"]
    client.close()


def test_a_write_stream_commits_each_request(db: Any, collection: Any) -> None:
    from google.cloud.firestore_v1.types import Document, Write, WriteRequest

    name = collection.document("d")._document_path
    requests = queue.Queue[Any]()
    requests.put(WriteRequest(database=db._database_string))
    stream = db._firestore_api.write(iter(requests.get, None), metadata=db._rpc_metadata)
    answers = iter(stream)
    assert next(answers).stream_token
    requests.put(WriteRequest(writes=[Write(update=Document(name=name))]))
    assert next(answers).commit_time == collection.document("d").get().update_time
    requests.put(None)
    assert list(answers) == []
