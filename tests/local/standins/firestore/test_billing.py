from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.cloud import firestore

from local.standins.faults import Fault
from local.standins.firestore import FirestoreStandIn
from local.standins.wire_tap import Tap
from shared.clock import Clock


@pytest.fixture
def tap() -> Tap:
    return Tap()


@pytest.fixture
async def client(tap: Tap, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    stand_in = FirestoreStandIn(clock=Clock(), data=None, tap=tap)
    monkeypatch.setitem(os.environ, "FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{await stand_in.start()}")
    client = firestore.AsyncClient(project="billed")
    yield client
    await client._firestore_api.transport.close()
    await stand_in.stop()


async def test_documents_are_counted_as_they_are_billed(client: Any, tap: Tap) -> None:
    billed = {"reads": 0, "writes": 0, "deletes": 0}

    def expect(**more: int) -> None:
        for what, count in more.items():
            billed[what] += count
        assert tap.ledger.stats().get("firestore", {}) == {what: count for what, count in billed.items() if count}

    collection = client.collection("c")
    batch = client.batch()
    for number in range(5):
        batch.set(collection.document(f"d{number}"), {"n": number})
    await batch.commit()
    expect(writes=5)
    await collection.document("d0").get()
    await collection.document("missing").get()
    expect(reads=2)
    assert len([snapshot async for snapshot in collection.limit(3).stream()]) == 3
    expect(reads=3)
    assert len([snapshot async for snapshot in collection.offset(2).stream()]) == 3
    expect(reads=5)
    assert not [snapshot async for snapshot in client.collection("empty").stream()]
    expect(reads=1)
    await collection.count().get()
    expect(reads=1)
    await collection.document("d0").update({"n": firestore.Increment(1)})
    await collection.document("d1").delete()
    expect(writes=1, deletes=1)


async def test_calls_and_their_status_are_in_the_ledger(client: Any, tap: Tap) -> None:
    await client.document("c/d").create({})
    with pytest.raises(Exception, match="already exists"):
        await client.document("c/d").create({})
    assert [(call["method"], call["status"], call["document"]) for call in tap.ledger.calls("firestore")] == [
        ("Commit", "OK", "c/d"),
        ("Commit", "ALREADY_EXISTS", "c/d"),
    ]


async def test_a_commit_whose_answer_is_lost_has_taken_effect(client: Any, tap: Tap) -> None:
    tap.faults.add([Fault(service="firestore", match="Commit", times=1, drop="after")])
    with pytest.raises(Exception, match="already exists"):
        await client.document("c/d").create({"n": 1})
    assert (await client.document("c/d").get()).get("n") == 1
