"""A journal whose disk is full: a commit is kept whole or refused, and what was kept before stays readable."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.standins.firestore.databases import Databases
from local.standins.firestore.journal import Journal
from local.standins.firestore.wire import Document, Refusal, Write
from local.standins.ledger import Ledger
from shared.clock import Clock
from tests.local.standins.full_disk import full_disk

DATABASE = "projects/p/databases/(default)"


def opened(folder: Path) -> Databases:
    databases = Databases(Clock(), Ledger(), Journal(folder))
    databases.open()
    return databases


def put(databases: Databases, name: str) -> None:
    document = Document(name=f"{DATABASE}/documents/c/{name}")
    document.fields["text"].string_value = name * 50
    databases.commit(DATABASE, [Write(update=document)])


def has(databases: Databases, name: str) -> bool:
    return databases.get(DATABASE).document(f"c/{name}") is not None


@pytest.mark.parametrize("room", [0, 1, 7, 8, 9, 60])
def test_half_a_record_is_taken_back_and_the_commit_refused(tmp_path: Path, room: int) -> None:
    databases = opened(tmp_path)
    put(databases, "before")
    size = (tmp_path / "commits.log").stat().st_size
    with full_disk(size + room), pytest.raises(Refusal, match="could not be kept"):
        put(databases, "refused")
    assert not has(databases, "refused")
    put(databases, "after")
    again = opened(tmp_path)
    assert [has(again, name) for name in ("before", "refused", "after")] == [True, False, True]
    assert not list(tmp_path.glob("*.damaged-*"))


def test_a_start_on_a_full_disk_uses_the_file_as_it_is(tmp_path: Path) -> None:
    put(opened(tmp_path), "kept")
    log = tmp_path / "commits.log"
    with log.open("ab") as file:
        file.write(b"\0\0\1\0half a record")
    with full_disk():
        full = opened(tmp_path)
        assert has(full, "kept")
    put(full, "later")
    again = opened(tmp_path)
    assert has(again, "kept")
    assert has(again, "later")
    assert [file.name for file in tmp_path.iterdir()] == ["commits.log"]
