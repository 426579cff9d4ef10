"""What a key's look-up costs: nothing for what has not its form or was unknown just now, and little for guesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient

from local.standins.firestore import FirestoreStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud import keys as module
from shared.cloud.keys import Keys, TooManyUnknown, new_secret
from shared.domain.tasks.access import Key


class Counted(Keys):
    """Counts its reads."""

    reads = 0

    async def _read(self, wanted: str) -> Key | None:
        self.reads += 1
        return await super()._read(wanted)


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
async def keys(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Counted]:
    documents = FirestoreStandIn(clock=clock, data=None, tap=Tap())
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{await documents.start()}")
    client = AsyncClient(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    yield Counted(client, clock)
    client.close()  # type: ignore[no-untyped-call]
    await documents.stop()


def key(key_id: str, clock: MovableClock) -> Key:
    return Key(id=key_id, name=key_id, created_at=clock.now())


@pytest.mark.parametrize(
    "secret",
    ["", "sk-", "sk-short", "x" * 43, "sk-" + "x" * 31, "sk-" + "x" * 129, "sk-" + "x" * 10**6, "SK-" + "x" * 43,
     "sk-" + "x" * 42 + "\n", "sk-" + "x" * 42 + "é", "sk-" + "x" * 42 + "/", "sk-" + "\ud800" * 43, "AIza" + "x" * 40],
)  # fmt: skip
async def test_what_has_not_the_form_of_a_secret_is_not_looked_up(keys: Counted, secret: str) -> None:
    assert await keys.find(secret) is None
    assert keys.reads == 0


async def test_an_unknown_secret_is_looked_up_once_in_a_while_and_a_new_key_works_within_seconds(
    keys: Counted, clock: MovableClock
) -> None:
    secret = new_secret()
    assert [await keys.find(secret) for _ in range(50)] == [None] * 50
    assert keys.reads == 1
    await keys.store(secret, key("fresh", clock))
    clock.advance(module._UNKNOWN_FRESH_SECONDS + 1)
    found = await keys.find(secret)
    assert found is not None
    assert [await keys.find(secret) for _ in range(50)] == [found] * 50
    assert keys.reads == 2


async def test_guesses_are_looked_up_at_a_bounded_rate_and_keys_in_use_go_on_meanwhile(
    keys: Counted, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_UNKNOWN_A_SECOND", 0)
    secret, other = new_secret(), new_secret()
    await keys.store(secret, key("in-use", clock))
    await keys.store(other, key("other", clock))
    assert await keys.find(secret) is not None
    keys.reads = 0
    outcomes = await asyncio.gather(*(keys.find(new_secret()) for _ in range(500)), return_exceptions=True)
    assert sum(isinstance(outcome, TooManyUnknown) for outcome in outcomes) == 500 - module._UNKNOWN_BURST
    assert keys.reads == module._UNKNOWN_BURST
    clock.advance(60)
    assert await keys.find(secret) is not None, "its document is read again"
    with pytest.raises(TooManyUnknown):
        await keys.find(other)
    monkeypatch.setattr(module, "_UNKNOWN_A_SECOND", 20)
    clock.advance(1)
    assert await keys.find(other) is not None


async def test_many_keys_that_are_there_use_up_no_guesses(keys: Counted, clock: MovableClock) -> None:
    secrets = [new_secret() for _ in range(3 * module._UNKNOWN_BURST)]
    await asyncio.gather(*(keys.store(secret, key(f"k{index}", clock)) for index, secret in enumerate(secrets)))
    for each in secrets:
        assert await keys.find(each) is not None


async def test_what_is_remembered_of_unknown_secrets_is_bounded(keys: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UNKNOWN_BURST", 10**9)
    keys._guesses._left = 10**9

    async def nothing(wanted: str) -> Key | None:
        return None

    monkeypatch.setattr(keys, "_read", nothing)
    for number in range(module._REMEMBERED + 2000):
        await keys.find(f"sk-{number:043}")
    assert len(keys._unknown_digests) <= module._REMEMBERED


async def test_a_revoked_key_ends_within_seconds(keys: Counted, clock: MovableClock) -> None:
    secret = new_secret()
    await keys.store(secret, key("gone", clock))
    assert await keys.find(secret) is not None
    assert await keys.revoke("gone") == 1
    clock.advance(module._FRESH_SECONDS + 1)
    found = await keys.find(secret)
    assert found is not None
    assert found.revoked
