"""The stand-ins' SQLite files when they are damaged or cannot be written."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from local.standins import write_ahead_log
from local.standins.database import CannotWrite, Damaged, Database
from tests.local.standins.full_disk import full_disk

SCHEMA = "CREATE TABLE IF NOT EXISTS kept (n INTEGER PRIMARY KEY, text TEXT);"
ROWS = 200


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The files of a process that was killed: half of the rows are in the database, half in its log."""
    running = Database(tmp_path / "running.sqlite", SCHEMA)
    for number in range(ROWS):
        running.change("INSERT INTO kept VALUES (?, ?)", (number, "x" * 500))
        if number == ROWS // 2:
            running.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    for ending in ("", "-wal"):
        shutil.copyfile(tmp_path / f"running.sqlite{ending}", tmp_path / f"kept.sqlite{ending}")
    running.close()
    return tmp_path / "kept.sqlite"


def rows(file: Path) -> int:
    database = Database(file, SCHEMA)
    found = len(database.rows("SELECT n FROM kept"))
    database.close()
    return found


def log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def test_what_a_killed_process_left_is_whole(killed: Path) -> None:
    assert rows(killed) == ROWS


@pytest.mark.parametrize("where", [3, 20, 40, 0.2, 0.5, 0.9])
def test_a_flipped_byte_in_the_log_is_said_and_nothing_is_touched(killed: Path, where: float) -> None:
    log = log_of(killed)
    data = bytearray(log.read_bytes())
    data[int(where if where > 1 else len(data) * where)] ^= 0x10
    log.write_bytes(data)
    before = killed.read_bytes()
    with pytest.raises(Damaged, match=r"kept\.sqlite-wal is damaged.*left as it is"):
        rows(killed)
    assert (killed.read_bytes(), log.read_bytes()) == (before, bytes(data))


@pytest.mark.parametrize("cut", [1, 100, 4000, 4200])
def test_a_log_whose_end_was_not_written_is_taken_up_to_there(killed: Path, cut: int) -> None:
    log = log_of(killed)
    log.write_bytes(log.read_bytes()[:-cut])
    assert ROWS - 2 <= rows(killed) < ROWS


@pytest.mark.parametrize("at", [0, 30, 4096])
def test_a_damaged_database_is_said_and_not_touched(killed: Path, at: int) -> None:
    log_of(killed).unlink()
    data = bytearray(killed.read_bytes())
    data[at : at + 80] = bytes(80)
    killed.write_bytes(data)
    with pytest.raises(Damaged, match="is damaged"):
        rows(killed)
    assert killed.read_bytes() == bytes(data)


def put_two(database: Database, number: int) -> None:
    with database.transaction():
        database.change("INSERT INTO kept VALUES (?, ?)", (number, "x" * 20_000))
        database.change("INSERT INTO kept VALUES (?, ?)", (number + 100, "x"))


def test_a_log_is_whole_after_changes_that_a_full_disk_refused(tmp_path: Path) -> None:
    file = tmp_path / "kept.sqlite"
    database = Database(file, SCHEMA)
    database.change("INSERT INTO kept VALUES (1, 'one')")
    size = log_of(file).stat().st_size
    with full_disk(size + 5000):
        for number in range(2, 30):
            with pytest.raises(CannotWrite):
                put_two(database, number)
    with database.transaction():
        database.change("INSERT INTO kept VALUES (2, 'two')")
    assert write_ahead_log.damage(log_of(file).read_bytes()) is None
    database.close()
    assert rows(file) == 2
