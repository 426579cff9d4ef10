from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Aborted, InvalidArgument
from google.cloud import firestore
from google.cloud.firestore_v1.types import CommitRequest, TransactionOptions

from shared.clock import MovableClock


def begin(client: Any, **options: Any) -> Any:
    transaction = client.transaction(**options)
    transaction._begin()
    return transaction


def test_eight_writers_of_one_counter_lose_no_increment(db: Any, collection: Any) -> None:
    counter = collection.document("counter")
    counter.set({"n": 0})

    @firestore.transactional
    def increment(transaction: Any) -> None:
        stored = counter.get(transaction=transaction)
        transaction.update(counter, {"n": stored.get("n") + 1})

    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                increment(db.transaction())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert counter.get().get("n") == 40


def test_of_two_interleaved_transactions_the_second_to_commit_is_aborted(db: Any, collection: Any) -> None:
    document = collection.document("d")
    document.set({"n": 0})
    first, second = begin(db), begin(db)
    for transaction in (first, second):
        assert document.get(transaction=transaction).get("n") == 0
        transaction.update(document, {"n": 1})
    second._commit()
    with pytest.raises(Aborted):
        first._commit()


def test_a_transaction_reads_one_moment(db: Any, collection: Any) -> None:
    a, b = collection.document("a"), collection.document("b")
    a.set({"n": 1})
    b.set({"n": 1})
    transaction = begin(db)
    assert a.get(transaction=transaction).get("n") == 1
    batch = db.batch()
    batch.set(a, {"n": 2})
    batch.set(b, {"n": 2})
    batch.commit()
    assert b.get(transaction=transaction).get("n") == 1
    transaction.set(collection.document("c"), {})
    with pytest.raises(Aborted):
        transaction._commit()


def test_a_document_that_appears_in_a_query_read_aborts_the_transaction(db: Any, collection: Any) -> None:
    query = collection.where(filter=firestore.FieldFilter("open", "==", True))
    first = begin(db)
    assert list(query.stream(transaction=first)) == []
    collection.document("closed").set({"open": False})
    first.set(collection.document("result"), {"n": 0})
    first._commit()
    second = begin(db)
    assert list(query.stream(transaction=second)) == []
    collection.document("opened").set({"open": True})
    second.set(collection.document("result"), {"n": 1})
    with pytest.raises(Aborted):
        second._commit()


def test_a_counted_query_is_part_of_what_a_transaction_read(db: Any, collection: Any) -> None:
    transaction = begin(db)
    assert collection.count().get(transaction=transaction)[0][0].value == 0
    collection.document("new").set({})
    transaction.set(collection.document("other"), {})
    with pytest.raises(Aborted):
        transaction._commit()


def test_what_lies_behind_the_limit_of_a_query_does_not_disturb_its_transaction(db: Any, collection: Any) -> None:
    for number in (1, 2, 3):
        collection.document(f"d{number}").set({"n": number})
    query = collection.order_by("n").limit(2)
    first, second = begin(db), begin(db)
    for transaction, name in ((first, "a"), (second, "b")):
        assert [snapshot.get("n") for snapshot in query.stream(transaction=transaction)] == [1, 2]
        transaction.set(collection.document(name), {"by": "me"})
    collection.document("behind").set({"n": 2.5})
    first._commit()
    collection.document("within").set({"n": 1.5})
    with pytest.raises(Aborted):
        second._commit()


def test_creating_what_was_read_as_missing_aborts_if_another_was_faster(db: Any, collection: Any) -> None:
    document = collection.document("d")
    transaction = begin(db)
    assert not document.get(transaction=transaction).exists
    document.set({"by": "another"})
    transaction.set(document, {"by": "me"})
    with pytest.raises(Aborted):
        transaction._commit()
    assert document.get().get("by") == "another"


def test_transactions_that_touch_different_documents_do_not_disturb_each_other(db: Any, collection: Any) -> None:
    first, second = begin(db), begin(db)
    for transaction, name in ((first, "a"), (second, "b")):
        collection.document(name).get(transaction=transaction)
        transaction.set(collection.document(name), {})
    first._commit()
    second._commit()


def test_a_rolled_back_transaction_changes_nothing_and_cannot_commit(db: Any, collection: Any) -> None:
    transaction = begin(db)
    identity = transaction.id
    transaction.set(collection.document("d"), {})
    transaction._rollback()
    with pytest.raises(InvalidArgument):
        db._firestore_api.commit(
            request=CommitRequest(database=db._database_string, transaction=identity), metadata=db._rpc_metadata
        )
    assert not collection.document("d").get().exists


def test_a_read_only_transaction_can_look_at_the_past_but_not_write(db: Any, collection: Any) -> None:
    document = collection.document("d")
    moment = document.set({"n": 1}).update_time
    document.set({"n": 2})
    options = TransactionOptions(read_only=TransactionOptions.ReadOnly(read_time=moment))
    begun = db._firestore_api.begin_transaction(
        request={"database": db._database_string, "options": options}, metadata=db._rpc_metadata
    )
    transaction = db.transaction(read_only=True)
    transaction._id = begun.transaction
    assert document.get(transaction=transaction).get("n") == 1
    transaction._commit()


async def test_the_async_client_retries_until_every_increment_counts(async_db: Any, collection: Any) -> None:
    import asyncio

    counter = async_db.document(f"{collection.id}/counter")
    await counter.set({"n": 0})

    @firestore.async_transactional
    async def increment(transaction: Any) -> None:
        stored = await counter.get(transaction=transaction)
        transaction.update(counter, {"n": stored.get("n") + 1})

    async def work() -> None:
        for _ in range(5):
            await increment(async_db.transaction())

    await asyncio.gather(*(work() for _ in range(8)))
    assert (await counter.get()).get("n") == 40


def test_idle_and_old_transactions_expire(launch: Any, connect: Any, tmp_path: Path) -> None:
    clock = MovableClock(tmp_path / "clock")
    client = connect(launch("--clock", tmp_path / "clock"))
    document = client.document("c/d")
    for steps, alive in (([40.0], True), ([61.0], False), ([45.0] * 5, True), ([50.0] * 6, False)):
        transaction = begin(client)
        for step in steps:
            document.get(transaction=transaction)
            clock.advance(step)
        transaction.set(document, {})
        if alive:
            transaction._commit()
        else:
            with pytest.raises(InvalidArgument, match="expired"):
                transaction._commit()
