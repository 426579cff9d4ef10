"""The archive that is deployed: `dropsight package --out build/dropsight.zip`.

The same tree gives the same bytes, on any machine: Terraform names the archive by its hash, and an archive that differs
by a clock or a umask would deploy all functions anew. It holds what runs in the cloud and nothing else. Its
requirements.txt, from which the buildpack installs, is the tree's requirements.lock: every package with its version.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_DEPLOYED = (
    "requirements.txt",
    "shared",
    "functions/__init__.py",
    "functions/api",
    "functions/generate",
    "functions/ingest",
    "functions/notify",
    "functions/sweep",
)
_LOCK = "requirements.lock"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can tell."""
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


def members(root: Path = ROOT) -> list[str]:
    """Names of the files to deploy, relative to `root`, in the archive's order."""
    return sorted(path.relative_to(root).as_posix() for name in _DEPLOYED for path in _files(root / name))


def archive(root: Path = ROOT) -> bytes:
    """A ZIP archive of `members`. Stored, not deflated: compressed bytes differ between versions of zlib."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as out:
        for name in members(root):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _REGULAR_FILE
            out.writestr(entry, _locked(root) if name == "requirements.txt" else (root / name).read_bytes())
    return made.getvalue()


def _locked(root: Path) -> bytes:
    """Return the lock file. Raises `ValueError` where it is older than requirements.txt."""
    lock = (root / _LOCK).read_bytes()
    if stale := unlocked((root / "requirements.txt").read_text(encoding="utf-8"), lock.decode()):
        raise ValueError(f"{_LOCK} is out of date ({', '.join(stale)}): run `make lock`")
    return lock


def unlocked(requirements: str, lock: str) -> list[str]:
    """Return the pins of `requirements` that `lock` lacks or has in another version, and what it leaves unpinned."""
    pinned = dict(_pins(lock))
    wanted = [
        f"{name}=={version}" for name, version in _pins(requirements) if pinned.get(name) != version or not version
    ]
    return [*wanted, *(name for name, version in pinned.items() if not version)]


def _pins(text: str) -> Iterator[tuple[str, str]]:
    """Each requirement's name, as package indexes compare names, and its version ("" where it is not pinned)."""
    for line in text.splitlines():
        if requirement := line.partition("#")[0].partition(";")[0].strip():
            name, _, version = requirement.partition("==")
            yield re.sub(r"[-_.]+", "-", name.partition("[")[0].strip()).lower(), version.strip()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is to be deployed, but is not there")
    for inner in path.iterdir():
        if inner.is_symlink():
            raise ValueError(f"{inner} is a symbolic link: what it points to would not be deployed")
        if not inner.name.startswith(".") and inner.name != "__pycache__" and inner.suffix != ".pyc":
            yield from _files(inner)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dropsight package", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "dropsight.zip", help="where to write the archive")
    out: Path = parser.parse_args(argv).out
    try:
        made = archive()
    except ValueError as error:
        raise SystemExit(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    # Not written where nothing changed, so that make and Terraform see an old file as old.
    if not out.exists() or out.read_bytes() != made:
        out.write_bytes(made)
    sys.stdout.write(f"{out}: {len(members())} files, {len(made) / 1024:.0f} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
