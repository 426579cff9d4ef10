from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore import FieldFilter

Seen = queue.Queue[tuple[dict[str, Any], list[str]]]


@pytest.fixture
def watch() -> Iterator[Callable[[Any], Seen]]:
    """Listens to a document or a query; each snapshot arrives as the documents and the kinds of change."""
    watches = []

    def start(target: Any) -> Seen:
        seen: Seen = queue.Queue()

        def on_snapshot(documents: Any, changes: Any, read_time: Any) -> None:
            held = {document.id: document.to_dict() for document in documents if document.exists}
            seen.put((held, [f"{change.type.name} {change.document.id}" for change in changes]))

        watches.append(target.on_snapshot(on_snapshot))
        return seen

    yield start
    for each in watches:
        each.unsubscribe()


def next_of(seen: Seen) -> tuple[dict[str, Any], list[str]]:
    return seen.get(timeout=60)


def test_a_document_is_sent_first_and_at_each_change(collection: Any, watch: Any) -> None:
    seen = watch(collection.document("d"))
    assert next_of(seen) == ({}, [])
    collection.document("d").set({"n": 1})
    assert next_of(seen) == ({"d": {"n": 1}}, ["ADDED d"])
    collection.document("d").set({"n": 2})
    assert next_of(seen) == ({"d": {"n": 2}}, ["MODIFIED d"])
    collection.document("d").delete()
    assert next_of(seen) == ({}, ["REMOVED d"])


def test_a_query_sends_what_enters_changes_and_leaves(collection: Any, watch: Any) -> None:
    collection.document("a").set({"open": True, "n": 1})
    collection.document("b").set({"open": False})
    seen = watch(collection.where(filter=FieldFilter("open", "==", True)))
    assert next_of(seen) == ({"a": {"open": True, "n": 1}}, ["ADDED a"])
    collection.document("b").set({"open": True})
    assert next_of(seen)[1] == ["ADDED b"]
    collection.document("a").update({"n": 2})
    assert next_of(seen)[1] == ["MODIFIED a"]
    collection.document("a").update({"open": False})
    assert next_of(seen) == ({"b": {"open": True}}, ["REMOVED a"])


def test_a_query_with_a_limit_refills_from_behind_it(collection: Any, watch: Any) -> None:
    for number in range(4):
        collection.document(f"d{number}").set({"n": number})
    seen = watch(collection.order_by("n").limit(2))
    assert list(next_of(seen)[0]) == ["d0", "d1"]
    collection.document("d0").delete()
    assert next_of(seen) == ({"d1": {"n": 1}, "d2": {"n": 2}}, ["REMOVED d0", "ADDED d2"])


def test_a_commit_of_several_documents_arrives_as_one_snapshot(db: Any, collection: Any, watch: Any) -> None:
    seen = watch(collection)
    assert next_of(seen) == ({}, [])
    batch = db.batch()
    for name in ("a", "b", "c"):
        batch.set(collection.document(name), {})
    batch.commit()
    assert next_of(seen)[1] == ["ADDED a", "ADDED b", "ADDED c"]


@pytest.mark.long
@pytest.mark.parametrize("kept", [True, False], ids=["with its data", "with nothing"])
def test_a_listener_survives_a_restart_of_the_service(
    launch: Any, connect: Any, watch: Any, tmp_path: Path, kept: bool
) -> None:
    process = launch(*(["--data", tmp_path / "data"] if kept else []))
    collection = connect(process).collection("c")
    for name in ("stays", "goes"):
        collection.document(name).set({"n": 1})
    seen = watch(collection)
    assert sorted(next_of(seen)[0]) == ["goes", "stays"]
    process.kill()
    process.start()
    if kept:
        collection.document("goes").delete()
        assert next_of(seen) == ({"stays": {"n": 1}}, ["REMOVED goes"])
    else:
        assert sorted(next_of(seen)[1]) == ["REMOVED goes", "REMOVED stays"]
    collection.document("new").set({"n": 2})
    assert next_of(seen)[1] == ["ADDED new"]


def test_a_target_asked_for_once_is_removed_when_it_is_current(db: Any, collection: Any) -> None:
    from google.cloud.firestore_v1.types import ListenRequest, Target, TargetChange

    collection.document("d").set({"n": 1})
    documents = Target.DocumentsTarget(documents=[collection.document(name)._document_path for name in ("d", "e")])
    target = Target(documents=documents, target_id=7, once=True)
    request = ListenRequest(database=db._database_string, add_target=target)
    held = queue.Queue[Any]()
    held.put(request)
    stream = db._firestore_api.listen(iter(held.get, None), metadata=db._rpc_metadata)
    kinds = []
    for answer in stream:
        change = answer.target_change
        if answer._pb.WhichOneof("response_type") != "target_change":
            kinds.append(answer._pb.WhichOneof("response_type"))
        else:
            kinds.append(change.target_change_type.name)
            if change.target_change_type == TargetChange.TargetChangeType.REMOVE:
                break
    held.put(None)
    assert kinds == ["ADD", "document_delete", "document_change", "CURRENT", "NO_CHANGE", "REMOVE"]


def test_a_stream_with_no_more_requests_still_hears_of_changes(db: Any, collection: Any) -> None:
    from google.cloud.firestore_v1.types import ListenRequest, Target

    documents = Target.DocumentsTarget(documents=[collection.document("d")._document_path])
    request = ListenRequest(database=db._database_string, add_target=Target(documents=documents, target_id=7))
    answers = iter(db._firestore_api.listen(iter([request]), metadata=db._rpc_metadata))
    while next(answers).target_change.target_change_type.name != "CURRENT":
        pass
    assert next(answers).target_change.read_time
    collection.document("d").set({"n": 1})
    assert next(answers).document_change.document.fields["n"].integer_value == 1


def test_a_target_that_cannot_be_served_is_removed_with_its_cause(db: Any, collection: Any) -> None:
    from google.cloud.firestore_v1.types import ListenRequest, Target

    request = ListenRequest(database=db._database_string, add_target=Target(target_id=7))
    held = queue.Queue[Any]()
    held.put(request)
    answer = next(iter(db._firestore_api.listen(iter(held.get, None), metadata=db._rpc_metadata)))
    held.put(None)
    assert answer.target_change.target_change_type.name == "REMOVE"
    assert answer.target_change.cause.code == 3
