"""What is deployed, and that its bytes tell nothing but its content."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from local.commands.package import ROOT, build_archive, find_unlocked, list_members, main
from tests.packaging.deployed import closure

FUNCTIONS = ("api", "generate", "ingest", "notify", "sweep")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The deployed part of the tree, elsewhere."""
    for name in [*list_members(), "requirements.lock"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_same_tree_gives_the_same_bytes_wherever_it_lies_and_whenever_it_was_written(copy: Path) -> None:
    for path in sorted(copy.rglob("*"), reverse=True):
        path.chmod(0o700)
        os.utime(path, (0, 0))
    assert build_archive(copy) == build_archive()


def test_a_changed_file_gives_other_bytes(copy: Path) -> None:
    (copy / "shared" / "clock.py").write_text("changed")
    assert build_archive(copy) != build_archive()


def test_the_archive_holds_the_functions_and_what_they_share_and_nothing_else() -> None:
    names = list_members()
    tops = {"/".join(name.split("/")[:2]) if name.startswith("functions/") else name.split("/")[0] for name in names}
    assert tops == {"requirements.txt", "shared", "functions/__init__.py", *(f"functions/{name}" for name in FUNCTIONS)}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc") or "/." in name]


def test_functions_and_shared_hold_no_line_that_is_not_deployed() -> None:
    tree = {path.relative_to(ROOT).as_posix() for top in ("functions", "shared") for path in (ROOT / top).rglob("*.*")}
    assert {name for name in tree if "__pycache__" not in name} <= set(list_members())
    assert not [name for name in list_members() if "import argparse" in (ROOT / name).read_text()], (
        "a command is deployed"
    )


def test_the_lock_pins_every_package_and_satisfies_the_requirements() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert find_unlocked((ROOT / "requirements.txt").read_text(), lock) == []
    packages = [line for line in lock.splitlines() if not line.startswith("#")]
    assert packages == sorted(packages, key=str.lower)
    for line in packages:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), f"{line}: name and version, no address"
    names = {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in packages}
    assert closure((ROOT / "requirements.txt").read_text()) <= names, "run `make lock`"


def test_what_is_deployed_is_installed_from_the_lock() -> None:
    with zipfile.ZipFile(BytesIO(build_archive())) as packed:
        assert packed.read("requirements.txt") == (ROOT / "requirements.lock").read_bytes()


def test_a_lock_that_is_older_than_the_requirements_is_not_deployed(copy: Path) -> None:
    requirements = copy / "requirements.txt"
    requirements.write_text(requirements.read_text() + "Some_New.Package==1.2  # why\n")
    with pytest.raises(ValueError, match=r"some-new-package==1\.2\): run `make lock`"):
        build_archive(copy)


def test_pins_are_compared_by_name_and_version() -> None:
    lock = "# made\nFoo.Bar==1.0\nbaz==2\n"
    assert find_unlocked("# why\nfoo-bar==1.0\nbaz[extra]==2 ; python_version > '3'\n", lock) == []
    assert find_unlocked("foo_bar==1.1\n", lock) == ["foo-bar==1.1"]
    assert find_unlocked("qux==1\n", lock) == ["qux==1"]
    assert find_unlocked("baz==2\n", "baz==2\nloose\n") == ["loose"]


def test_data_files_that_the_code_reads_are_deployed_with_it() -> None:
    assert "shared/domain/models/catalogue.json" in list_members()


def test_what_compilers_editors_and_systems_leave_behind_is_not_deployed(copy: Path) -> None:
    for name in ("shared/__pycache__/clock.cpython-311.pyc", "shared/.DS_Store", "functions/api/.main.py.swp"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("left behind")
    assert build_archive(copy) == build_archive()


def test_a_function_that_is_missing_is_noticed(copy: Path) -> None:
    shutil.rmtree(copy / "functions" / "sweep")
    with pytest.raises(FileNotFoundError, match="sweep is to be deployed"):
        build_archive(copy)


def test_a_symbolic_link_is_refused(copy: Path) -> None:
    (copy / "shared" / "elsewhere.py").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="symbolic link"):
        build_archive(copy)


def test_the_command_writes_the_archive_and_leaves_an_unchanged_one_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "build" / "dropsight.zip"
    assert main(["--out", str(out)]) == 0
    os.utime(out, (1, 1))
    assert main(["--out", str(out)]) == 0
    assert out.stat().st_mtime == 1
    with zipfile.ZipFile(BytesIO(out.read_bytes())) as packed:
        assert packed.namelist() == list_members()
        assert packed.testzip() is None
    assert f"{len(list_members())} files" in capsys.readouterr().out
