"""The file of commits when it is damaged, cut off, or cannot be written."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.standins.firestore.databases import Databases
from local.standins.firestore.journal import Journal, read_records
from local.standins.firestore.wire import Document, Write
from local.standins.ledger import Ledger
from shared.clock import Clock

DATABASE = "projects/p/databases/(default)"
COMMITS = 60


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Databases]:
    def begin() -> Databases:
        databases = Databases(Clock(), Ledger(), Journal(tmp_path))
        databases.open()
        return databases

    return begin


@pytest.fixture
def log(opened: Callable[[], Databases], tmp_path: Path) -> Path:
    """Of a system that was killed after it had committed documents 0, 1, 2, …"""
    databases = opened()
    for number in range(COMMITS):
        document = Document(name=f"{DATABASE}/documents/c/{number}")
        document.fields["text"].string_value = f"{number} " * 20
        databases.commit(DATABASE, [Write(update=document)])
    return tmp_path / "commits.log"


def names(databases: Databases) -> set[int]:
    collection = databases.get(DATABASE).collection("c")
    return {int(path.rpartition("/")[2]) for path in collection.records} if collection else set()


def aside(log: Path) -> list[Path]:
    return list(log.parent.glob("commits.log.damaged-*"))


@pytest.mark.parametrize("where", [0.1, 0.25, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("what", ["a flipped byte", "a length", "a stretch of zeros", "a stretch left out"])
def test_damage_in_the_middle_costs_what_it_hit_and_the_old_file_is_kept(
    log: Path, opened: Callable[[], Databases], caplog: pytest.LogCaptureFixture, where: float, what: str
) -> None:
    whole = log.read_bytes()
    record = len(whole) // (COMMITS + 1)
    at = int(len(whole) * where)
    if what == "a length":  # a record begins 8 bytes before its database's name
        at = whole.index(b"\x0a" + bytes([len(DATABASE)]) + DATABASE.encode(), at - record) - 8
    size = 2 * record if what.startswith("a stretch") else 1
    put = {"a stretch of zeros": bytes(size), "a stretch left out": b""}.get(what, bytes([whole[at] ^ 0x41]))
    damaged = whole[:at] + put + whole[at + size :]
    log.write_bytes(damaged)
    left = names(opened())
    assert COMMITS - len(left) <= (4 if what.startswith("a stretch") else 1)
    assert max(left) == COMMITS - 1
    assert [file.read_bytes() for file in aside(log)] == [damaged]
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(told) == 1
    assert str(log) in told[0]
    assert str(aside(log)[0]) in told[0]
    assert names(opened()) == left, "a second start finds the new file whole"
    assert len(aside(log)) == 1


@pytest.mark.parametrize("cut", [1, 5, 9, 40])
def test_a_record_that_was_not_written_to_its_end_is_no_damage(
    log: Path, opened: Callable[[], Databases], caplog: pytest.LogCaptureFixture, cut: int
) -> None:
    log.write_bytes(log.read_bytes()[:-cut])
    assert names(opened()) == set(range(COMMITS - 1))
    assert not aside(log)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_flipped_byte_in_the_last_record_is_damage_too(log: Path, opened: Callable[[], Databases]) -> None:
    whole = bytearray(log.read_bytes())
    whole[-10] ^= 1
    log.write_bytes(whole)
    assert names(opened()) == set(range(COMMITS - 1))
    assert [file.read_bytes() for file in aside(log)] == [bytes(whole)]


def test_a_large_damaged_file_is_read_in_linear_time(log: Path) -> None:
    whole = bytearray(log.read_bytes() * 400)
    for at in range(50, len(whole), 5000):
        whole[at] ^= 0xFF
    began = time.process_time()
    found = read_records(bytes(whole))
    assert time.process_time() - began < 5
    assert len(found.payloads) > 100
    assert len(found.damage) > 100
