"""An object that gzip packed is read as what it holds: any range of it, in constant memory, under a bound."""

from __future__ import annotations

import gzip
import random
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cloud import unpacking
from shared.cloud.unpacking import Unpacked, unpacked_up_to
from shared.domain.errors import LeaseLost, PermanentFailure

NOISE = random.Random(3).randbytes(60_000)
DATA = NOISE + bytes(40_000) + NOISE[:50_000]


def unpacked(packed: bytes) -> Unpacked:
    made = Unpacked(lambda start, end: packed[start:end], len(packed), "talk.wav")
    made.measure()
    return made


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_PIECE", 1000)
    monkeypatch.setattr(unpacking, "_POINT_EVERY", 9000)


@pytest.mark.usefixtures("small_pieces")
def test_any_ranges_in_any_order_give_the_bytes() -> None:
    source = unpacked(gzip.compress(DATA))
    assert source.size == len(DATA)

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.integers(0, len(DATA) + 10), st.integers(0, 30_000))
    def read(start: int, length: int) -> None:
        assert source.fetch(start, start + length) == DATA[start : start + length]

    read()


@pytest.mark.usefixtures("small_pieces")
def test_several_members_and_padding_behind_them_are_one_file() -> None:
    packed = gzip.compress(DATA[:70_000]) + gzip.compress(b"") + gzip.compress(DATA[70_000:]) + bytes(300)
    source = unpacked(packed)
    assert source.size == len(DATA)
    assert source.fetch(60_000, 80_000) == DATA[60_000:80_000]


def test_what_is_read_on_is_unpacked_once() -> None:
    packed, fetched = gzip.compress(NOISE * 100, 1), 0

    def fetch(start: int, end: int) -> bytes:
        nonlocal fetched
        fetched += end - start
        return packed[start:end]

    source = Unpacked(fetch, len(packed), "a")
    source.measure()
    for start in range(0, source.size, 1 << 20):
        source.fetch(start, start + (1 << 20))
    assert fetched <= 2.5 * len(packed)


@pytest.mark.parametrize("cut", [20, 5000, -1])
def test_a_packed_object_that_is_cut_is_refused_for_good(cut: int) -> None:
    with pytest.raises(PermanentFailure, match=r"“talk\.wav” is stored packed .* damaged") as refused:
        unpacked(gzip.compress(DATA)[:cut])
    assert refused.value.code == "file_processing_failed"


@pytest.mark.long
def test_a_bomb_is_refused_with_a_sentence_in_constant_memory() -> None:
    packed = gzip.compress(bytes(300 << 20), 9)
    tracemalloc.start()
    with pytest.raises(PermanentFailure, match="unpacks to more than is taken") as refused:
        unpacked(packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.code == "payload_too_large"
    assert peak < 16 << 20


def test_a_bomb_within_a_small_object_is_cut() -> None:
    assert unpacked_up_to(gzip.compress(bytes(50 << 20)), 1 << 20) == bytes(1 << 20)
    assert unpacked_up_to(b"no gzip", 100) == b"no gzip"
    assert unpacked_up_to(gzip.compress(b"words"), 100) == b"words"
    assert unpacked_up_to(b"\x1f\x8b damaged", 100) == b"\x1f\x8b damaged"


def test_measuring_ends_where_the_lease_is_lost() -> None:
    packed, stop = gzip.compress(DATA), threading.Event()
    stop.set()
    with pytest.raises(LeaseLost):
        Unpacked(lambda start, end: packed[start:end], len(packed), "a").measure(stop)
