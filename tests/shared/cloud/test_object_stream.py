"""An object arrives whole and in order, however it is read, in constant memory, or the reader hears of it."""

from __future__ import annotations

import base64
import contextlib
import io
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cloud.object_stream import (
    PIECE_BYTES,
    Fetch,
    ObjectRanges,
    ObjectStream,
    SourceVanished,
    StreamStopped,
)
from shared.domain.errors import TransientFailure

DATA = random.Random(7).randbytes(1000)


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@contextmanager
def reading(
    data: bytes = DATA, *, fetch: Fetch | None = None, checksum: str | None = None, stop: threading.Event | None = None
) -> Iterator[ObjectStream]:
    stream = ObjectStream(
        fetch or (lambda start, end: data[start:end]),
        len(data),
        crc32c(data) if checksum is None else checksum,
        stop or threading.Event(),
    )
    with stream:
        yield stream


@settings(max_examples=100, deadline=None, derandomize=True)
@given(size=st.integers(0, 1000), pieces=st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_reads_of_any_sizes_give_the_object(size: int, pieces: list[int]) -> None:
    found = b""
    with reading(DATA[:size]) as stream:
        turn = 0
        while len(found) < size:
            wanted = pieces[turn % len(pieces)] if turn < 50 else 100
            piece = stream.read(wanted)
            assert len(piece) == min(wanted, size - len(found)), "a read is short at the object's end only"
            found += piece
            assert stream.tell() == len(found)
            turn += 1
        assert stream.read(10) == b""
    assert found == DATA[:size]


MOVES = st.tuples(st.sampled_from([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END]), st.integers(-300, 1200))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps=st.lists(st.tuples(st.none() | MOVES, st.integers(0, 300)), max_size=12))
def test_seeking_and_reading_is_like_a_file_in_memory(steps: list[tuple[tuple[int, int] | None, int]]) -> None:
    file = io.BytesIO(DATA)
    with reading() as stream:
        for move, size in steps:
            if move is not None:
                whence, offset = move
                if whence == io.SEEK_SET and offset < 0:
                    with pytest.raises(ValueError, match="negative seek"):
                        stream.seek(offset)
                else:
                    assert stream.seek(offset, whence) == file.seek(offset, whence)
            assert stream.read(size) == file.read(size)
            assert stream.tell() == file.tell()


def test_its_size_is_told_as_the_sdk_asks_for_it() -> None:
    with reading() as stream:
        assert (stream.readable(), stream.seekable(), stream.writable()) == (True, True, False)
        assert (stream.tell(), stream.seek(0, io.SEEK_END), stream.tell(), stream.seek(0)) == (0, 1000, 1000, 0)
        assert stream.read(5) == DATA[:5]


def test_it_fills_a_buffer() -> None:
    with reading() as stream:
        buffer = bytearray(600)
        assert (stream.readinto(buffer), bytes(buffer)) == (600, DATA[:600])
        assert (stream.readinto(buffer), bytes(buffer[:400])) == (400, DATA[600:])


def test_it_is_never_read_whole() -> None:
    with reading() as stream, pytest.raises(io.UnsupportedOperation):
        stream.readall()


@pytest.mark.parametrize("size", [None, -1])
def test_a_read_without_a_size_is_one_piece(size: int | None) -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return bytes(end - start)

    stream = ObjectStream(fetch, 3 * PIECE_BYTES, "", threading.Event())
    with stream:
        assert len(stream.read(size)) == PIECE_BYTES
    assert asked[0] == (0, PIECE_BYTES)


def test_the_next_piece_is_fetched_while_one_is_sent_on() -> None:
    fetched = threading.Event()

    def fetch(start: int, end: int) -> bytes:
        if start == 100:
            fetched.set()
        return DATA[start:end]

    with reading(fetch=fetch) as stream:
        stream.read(100)
        assert fetched.wait(60), "nobody asked for the second piece, and it came"


def test_every_byte_is_fetched_once_when_read_in_order() -> None:
    asked: list[tuple[int, int]] = []

    def fetch(start: int, end: int) -> bytes:
        asked.append((start, end))
        return DATA[start:end]

    with reading(fetch=fetch) as stream:
        while stream.read(150):
            pass
    assert sorted(asked) == [(start, min(start + 150, 1000)) for start in range(0, 1000, 150)]


class Piece(bytes):
    """Bytes that tell how many of their kind are in memory."""

    alive = 0
    most = 0

    def __init__(self, data: bytes) -> None:
        Piece.alive += 1
        Piece.most = max(Piece.most, Piece.alive)

    def __del__(self) -> None:
        Piece.alive -= 1


def test_no_more_than_three_pieces_are_in_memory() -> None:
    """The one that is sent on, the one after it, and the one that is being fetched."""
    with reading(fetch=lambda start, end: Piece(DATA[start:end])) as stream:
        while stream.read(10):
            pass
    assert 2 <= Piece.most <= 3


def test_damage_on_the_way_is_noticed_at_the_end() -> None:
    def fetch(start: int, end: int) -> bytes:
        return bytes(end - start) if start == 500 else DATA[start:end]

    with reading(fetch=fetch) as stream:
        for _ in range(9):
            stream.read(100)
        with pytest.raises(TransientFailure, match="damaged"):
            stream.read(100)


def test_a_piece_that_arrives_short_is_noticed_at_once() -> None:
    def fetch(start: int, end: int) -> bytes:
        return DATA[start : end - 1] if start == 500 else DATA[start:end]

    with reading(fetch=fetch) as stream:
        for _ in range(5):
            stream.read(100)
        with pytest.raises(TransientFailure, match="short"):
            stream.read(100)


def test_an_object_without_a_checksum_is_read_as_it_comes() -> None:
    with reading(checksum="") as stream:
        assert stream.read(1000) == DATA


def test_a_second_reading_from_the_start_is_checked_as_little_as_it_is_wrong() -> None:
    with reading() as stream:
        first = stream.read(1000)
        stream.seek(0)
        assert stream.read(1000) == first


def test_a_reader_that_was_told_to_stop_hears_of_it_at_its_next_read() -> None:
    stop = threading.Event()
    with reading(stop=stop) as stream:
        stream.read(100)
        stop.set()
        with pytest.raises(StreamStopped):
            stream.read(100)


def test_what_goes_wrong_while_reading_ahead_reaches_the_reader() -> None:
    def fetch(start: int, end: int) -> bytes:
        if start >= 100:
            raise SourceVanished("a.txt")
        return DATA[start:end]

    with reading(fetch=fetch) as stream:
        stream.read(100)
        with pytest.raises(SourceVanished):
            stream.read(100)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(head=st.integers(0, 1000), offset=st.integers(0, 1200), length=st.integers(0, 1200))
def test_ranges_are_the_same_wherever_the_head_ends(head: int, offset: int, length: int) -> None:
    ranges = ObjectRanges(lambda start, end: DATA[start:end], len(DATA), DATA[:head])
    assert ranges.read(offset, length) == DATA[offset : offset + length]
    assert ranges.size == 1000


def test_what_the_head_holds_is_not_fetched_again() -> None:
    def fetch(start: int, end: int) -> bytes:
        raise AssertionError("fetched")

    ranges = ObjectRanges(fetch, len(DATA), DATA[:64])
    assert ranges.read(0, 64) == DATA[:64]
    assert ranges.read(10, 54) == DATA[10:64]
    assert ranges.read(2000, 10) == b""


@pytest.mark.parametrize("place", [0, 1, 250, 399])
def test_a_stream_that_is_read_again_from_an_earlier_place_is_checked_all_the_same(place: int) -> None:
    for checksum, is_whole in ((crc32c(DATA), True), (crc32c(b"another"), False)):
        with reading(checksum=checksum) as stream:
            stream.read(400)
            stream.seek(place)
            with contextlib.nullcontext() if is_whole else pytest.raises(TransientFailure):
                while stream.read(300):
                    pass
