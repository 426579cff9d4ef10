"""A stream becomes one object, whatever its size; of one that breaks off, nothing remains."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.object_upload import ObjectUpload
from shared.cloud.object_writer import ObjectWriter, write_pieces
from shared.cloud.storage import Storage

MIB = 1 << 20


@pytest.fixture
async def storage(
    clock: MovableClock, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Storage]:
    stand_in = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=tap, buckets=("requests",))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await stand_in.start()}")
    storage = Storage("test", threads=2)
    yield storage
    await storage.aclose()
    await stand_in.stop()


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise ConnectionResetError("the caller is gone")


async def test_an_upload_shows_nothing_until_it_is_finished(storage: Storage) -> None:
    def begin() -> ObjectUpload:
        upload = storage.open_upload("requests", "a.wav", content_type="audio/wav", piece_bytes=MIB)
        upload.write(b"x" * (2 * MIB))
        return upload

    upload = await storage.in_thread(begin)
    assert await storage.stat("requests", "a.wav") is None
    generation = await storage.in_thread(lambda: upload.finish(b"y"))
    stored = await storage.stat("requests", "a.wav")
    assert stored is not None
    assert (stored.size, stored.generation) == (2 * MIB + 1, generation)


@pytest.mark.parametrize("sizes", [(), (3, 4), (3 * MIB, 3 * MIB, 1), (4 * MIB,), (9 * MIB, 7)])
async def test_the_object_has_the_bytes_of_the_stream(storage: Storage, sizes: tuple[int, ...]) -> None:
    pieces = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    written = await ObjectWriter(storage, "requests").write(
        "uploads/k/", stream(*pieces), content_type="audio/wav", name="a.wav", metadata={"purpose": "test"}
    )
    data = b"".join(pieces)
    assert written.uri == "gs://requests/uploads/k/a.wav"
    assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    stored = await storage.stat("requests", "uploads/k/a.wav")
    assert stored is not None
    assert (stored.generation, stored.content_type) == (written.generation, "audio/wav")
    assert stored.metadata["purpose"] == "test"
    assert await storage.read("requests", "uploads/k/a.wav") == data


async def test_objects_without_a_name_never_get_the_same_one(storage: Storage) -> None:
    writer = ObjectWriter(storage, "requests")
    names = {(await writer.write("uploads/", stream(b"x"), content_type="text/plain")).name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("uploads/") for name in names)


@pytest.mark.parametrize("size", [10, 5 * MIB])
async def test_of_a_stream_that_breaks_off_no_object_remains(storage: Storage, size: int) -> None:
    writer = ObjectWriter(storage, "requests")
    with pytest.raises(ConnectionResetError):
        await writer.write("uploads/", broken(bytes(size)), content_type="text/plain", name="a")
    assert [entry.name async for entry in storage.listing("requests", "")] == []


async def test_an_object_that_is_not_needed_is_deleted_and_deleting_it_again_is_no_error(storage: Storage) -> None:
    writer = ObjectWriter(storage, "requests")
    written = await writer.write("uploads/", stream(b"x"), content_type="text/plain")
    await writer.delete(written)
    await writer.delete(written)
    assert await storage.stat("requests", written.name) is None


@pytest.mark.parametrize("sizes", [(3,), (5 * MIB, 1)])
async def test_an_object_of_a_name_that_is_taken_is_written_only_over_the_generation_that_is_named(
    storage: Storage, sizes: tuple[int, ...]
) -> None:
    async def written(if_generation: int) -> int | None:
        pieces = stream(*(bytes(size) for size in sizes))
        return await write_pieces(
            storage, "requests", "a.wav", pieces, "audio/wav", if_generation=if_generation, metadata={}, disposition=""
        )

    first = await written(0)
    assert first is not None
    assert await written(0) is None
    second = await written(first)
    stored = await storage.stat("requests", "a.wav")
    assert stored is not None
    assert stored.generation == second != first
