"""The `--data` folder: who may read it, who may use it, and what happens if a file in it is damaged."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.standins.database import Damaged
from local.standins.gemini import GeminiStandIn
from local.standins.oidc import Issuer
from local.standins.storage import StorageStandIn
from local.standins.storage.store import Store
from local.standins.wire_tap import Tap
from local.state_folder import check_folder, lock_folder, make_private_folder, read_or_create, set_private_umask
from shared.clock import Clock, MovableClock

PARTS = ("firestore", "storage")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Set a shell's usual umask, and restore it, since `set_private_umask` changes that of the whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {
        str(entry.relative_to(folder.parent)): stat.S_IMODE(entry.stat().st_mode)
        for entry in (folder, *folder.rglob("*"))
    }


async def test_only_the_owner_can_read_what_a_stand_in_writes(tmp_path: Path) -> None:
    set_private_umask()
    folder = tmp_path / "data"
    make_private_folder(folder, PARTS)
    clock = MovableClock(folder / "clock")
    read_or_create(folder / "api_key", "secret")
    Issuer(clock, folder)
    stand_in = StorageStandIn(clock=clock, data=folder / "storage", tap=Tap(), buckets=["inbox"])
    mode_of = modes(folder)
    assert len(mode_of) > 6
    assert not [name for name, mode in mode_of.items() if mode & 0o077]
    await stand_in.stop()


def test_files_that_an_earlier_run_left_readable_become_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "storage" / "contents").mkdir(parents=True)
    (folder / "storage" / "contents" / "abc").write_text("a person's file")
    (folder / "api_key").write_text("secret")
    assert modes(folder)["data"] == 0o755
    make_private_folder(folder, PARTS)
    assert {mode & 0o077 for mode in modes(folder).values()} == {0}
    assert (folder / "storage" / "contents" / "abc").read_text() == "a person's file"


def test_a_folder_that_holds_other_files_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "notes.txt").write_text("for all")
    make_private_folder(folder, PARTS)
    mode_of = modes(folder)
    assert (mode_of["shared"], mode_of["shared/notes.txt"]) == (0o755, 0o644)
    assert mode_of["shared/storage"] == 0o700


def test_two_systems_cannot_use_one_folder(tmp_path: Path) -> None:
    first, second = lock_folder(tmp_path), lock_folder(tmp_path)
    with first, pytest.raises(RuntimeError, match="another system keeps its state in"):
        second.__enter__()
    with lock_folder(tmp_path):
        pass


def test_a_secret_is_made_once_even_if_a_crash_left_an_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "api_key"
    file.touch()
    assert read_or_create(file, "first") == "first"
    assert read_or_create(file, "second") == "first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clock", b""),
        ("clock", b"\0" * 7),
        ("clock", b"\xff" * 8),
        ("api_key", b"sk\xff\x00"),
        ("callback_secret", b"\x01"),
    ],
)
def test_a_damaged_file_of_the_system_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Damaged, match=f"{name} is damaged"):
        check_folder(tmp_path)
    assert (tmp_path / name).read_bytes() == content


def test_a_damaged_signing_key_is_named(tmp_path: Path) -> None:
    Issuer(Clock(), tmp_path)
    file = tmp_path / "oidc-key.pem"
    data = bytearray(file.read_bytes())
    data[400:420] = bytes(20)
    file.write_bytes(data)
    with pytest.raises(Damaged, match=r"oidc-key\.pem is damaged"):
        Issuer(Clock(), tmp_path)


@pytest.mark.parametrize("kind", ["files", "uploads", "caches"])
def test_a_damaged_record_of_the_files_api_is_named_and_its_content_stays(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / kind
    folder.mkdir()
    (folder / "one").write_bytes(b"a person's file")
    (folder / "one.json").write_text('{"id": "one", "si\x00')
    with pytest.raises(Damaged, match=r"one\.json is damaged"):
        GeminiStandIn(clock=Clock(), data=tmp_path, tap=Tap())
    assert (folder / "one").read_bytes() == b"a person's file"


async def test_contents_without_a_catalogue_are_moved_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "contents").mkdir()
    (tmp_path / "contents" / "abc").write_bytes(b"a person's file")
    stand_in = StorageStandIn(clock=Clock(), data=tmp_path, tap=Tap(), buckets=["inbox"])
    await stand_in.stop()
    aside = list(tmp_path.glob("contents.orphaned-*/abc"))
    assert [file.read_bytes() for file in aside] == [b"a person's file"]
    assert str(aside[0].parent) in caplog.text


def test_the_stand_in_does_not_start_with_a_damaged_catalogue(tmp_path: Path) -> None:
    store = Store(tmp_path / "storage.sqlite")
    store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    data = bytearray((tmp_path / "storage.sqlite").read_bytes())
    data[4096:4200] = bytes(104)
    (tmp_path / "storage.sqlite").write_bytes(data)
    (tmp_path / "contents").mkdir()
    (tmp_path / "contents" / "abc").write_bytes(b"a person's file")
    with pytest.raises(Damaged, match=r"storage\.sqlite is damaged"):
        StorageStandIn(clock=Clock(), data=tmp_path, tap=Tap())
    assert (tmp_path / "contents" / "abc").read_bytes() == b"a person's file"
