"""Whole objects are read and written over the JSON API as Google's client does it, and failures are told apart."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api_errors
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

from local.standins.faults import Fault
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.object_requests import ObjectRequests, require_checksum

NAME = "a folder/ü?#%2F.txt"


class Renewed(AnonymousCredentials):
    """Credentials whose token has to be fetched, and fetched again when the service refuses it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fetched = 0

    @property
    def valid(self) -> bool:
        return self.fetched > 0

    def refresh(self, request: object) -> None:
        self.fetched += 1

    def apply(self, headers: Any, token: Any = None) -> None:
        headers["Authorization"] = f"Bearer token-{self.fetched}"


@pytest.fixture
async def client(
    clock: MovableClock, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[storage.Client]:
    stand_in = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=tap, buckets=("objects",))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await stand_in.start()}")
    client = storage.Client(project="test", credentials=Renewed())
    yield client
    client.close()
    await stand_in.stop()


@pytest.fixture
async def requests(client: storage.Client) -> AsyncIterator[ObjectRequests]:
    requests = ObjectRequests(client, connections=4, trust_env=False)
    yield requests
    await requests.aclose()


async def write(requests: ObjectRequests, data: bytes = b"words", **resource: Any) -> dict[str, Any]:
    described = {"name": NAME, "contentType": "text/plain", **resource}
    return await requests.insert("objects", described, data, if_generation=None)


async def test_what_is_written_is_what_googles_client_reads(requests: ObjectRequests, client: storage.Client) -> None:
    data = bytes(range(256)) * 8192
    written = await write(requests, data, metadata={"who": "Müller"}, contentDisposition="attachment")
    blob = await asyncio.to_thread(client.bucket("objects").get_blob, NAME)
    assert await asyncio.to_thread(blob.download_as_bytes) == data
    assert blob.generation == int(written["generation"])
    assert (blob.metadata, blob.content_type, blob.content_disposition) == (
        {"who": "Müller"},
        "text/plain",
        "attachment",
    )


async def test_what_googles_client_writes_is_read_whole_and_in_part(
    requests: ObjectRequests, client: storage.Client
) -> None:
    await asyncio.to_thread(client.bucket("objects").blob(NAME).upload_from_string, b"0123456789")
    resource = await requests.metadata("objects", NAME)
    assert (resource["name"], resource["size"]) == (NAME, "10")
    generation = int(resource["generation"])
    assert await requests.content("objects", NAME, generation=generation) == (b"0123456789", "")
    assert await requests.content("objects", NAME, generation=None, start=3, end=5) == (b"345", "")
    assert await requests.content("objects", NAME, generation=None, start=8) == (b"89", "")
    with pytest.raises(api_errors.RequestRangeNotSatisfiable):
        await requests.content("objects", NAME, generation=None, start=10)
    with pytest.raises(api_errors.NotFound):
        await requests.content("objects", NAME, generation=generation - 1)


async def test_an_object_that_is_packed_arrives_as_it_is_stored(requests: ObjectRequests) -> None:
    packed = gzip.compress(b"words" * 100)
    await write(requests, packed, contentEncoding="gzip")
    assert await requests.content("objects", NAME, generation=None) == (packed, "gzip")


async def test_a_write_holds_only_for_the_generation_that_it_names(requests: ObjectRequests) -> None:
    first = await requests.insert("objects", {"name": NAME, "contentType": "text/plain"}, b"1", if_generation=0)
    with pytest.raises(api_errors.PreconditionFailed):
        await requests.insert("objects", {"name": NAME, "contentType": "text/plain"}, b"2", if_generation=0)
    generation = int(first["generation"])
    await requests.insert("objects", {"name": NAME, "contentType": "text/plain"}, b"3", if_generation=generation)
    assert await requests.content("objects", NAME, generation=None) == (b"3", "")


async def test_what_is_deleted_is_gone(requests: ObjectRequests) -> None:
    await write(requests)
    await requests.delete("objects", NAME)
    for missing in (requests.metadata("objects", NAME), requests.delete("objects", NAME)):
        with pytest.raises(api_errors.NotFound):
            await missing


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": True}])
async def test_what_may_pass_is_tried_again(requests: ObjectRequests, tap: Tap, fault: dict[str, Any]) -> None:
    await write(requests)
    tap.faults.add([Fault(service="storage", times=1, **fault)])
    assert (await requests.metadata("objects", NAME))["name"] == NAME


async def test_a_refusal_is_not_tried_again_and_keeps_its_message(requests: ObjectRequests, tap: Tap) -> None:
    tap.faults.add([Fault(service="storage", status=403)])
    before = tap.ledger.total_calls
    with pytest.raises(api_errors.Forbidden):
        await requests.metadata("objects", NAME)
    assert tap.ledger.total_calls == before + 1


async def test_a_token_that_is_refused_is_fetched_anew_once(
    requests: ObjectRequests, client: storage.Client, tap: Tap
) -> None:
    await write(requests)
    assert client._credentials.fetched == 1
    tap.faults.add([Fault(service="storage", status=401, times=1)])
    await requests.metadata("objects", NAME)
    assert client._credentials.fetched == 2
    tap.faults.add([Fault(service="storage", status=401)])
    with pytest.raises(api_errors.Unauthorized):
        await requests.metadata("objects", NAME)


async def test_a_write_ends_although_its_caller_was_cancelled(requests: ObjectRequests, tap: Tap) -> None:
    tap.faults.add([Fault(service="storage", delay=0.2, times=1)])
    writing = asyncio.create_task(write(requests))
    while not tap.in_flight["storage"]:
        await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await asyncio.gather(*requests._writing)
    assert await requests.content("objects", NAME, generation=None) == (b"words", "")


@pytest.mark.parametrize("hashes", ["crc32c=AAAAAA==", "md5=XrY7u+Ae7tCTyyK7j1rNww==, crc32c=AAAAAA=="])
def test_an_object_that_arrives_damaged_is_refused(hashes: str) -> None:
    with pytest.raises(api_errors.DataLoss, match="CRC-32C"):
        require_checksum(b"words", hashes)
