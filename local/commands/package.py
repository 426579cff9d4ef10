"""Build the source archive that Terraform deploys.

The same tree gives the same bytes on any machine: Terraform names the archive by its hash, and a difference of clock or
umask would redeploy all functions. The archive holds only what runs in the cloud. Its requirements.txt, from which the
buildpack installs, is the tree's requirements.lock, which pins every package.
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
"""The earliest time that a ZIP archive can hold."""
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3


def list_members(root: Path = ROOT) -> list[str]:
    """Return the files to deploy, relative to `root`, in the archive's order."""
    return sorted(path.relative_to(root).as_posix() for name in _DEPLOYED for path in _walk_files(root / name))


def build_archive(root: Path = ROOT) -> bytes:
    """Return the ZIP archive. Its files are not compressed, since compressed bytes differ between versions of zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as out:
        for name in list_members(root):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _REGULAR_FILE
            out.writestr(entry, _read_lock(root) if name == "requirements.txt" else (root / name).read_bytes())
    return buffer.getvalue()


def _read_lock(root: Path) -> bytes:
    """Return the lock file's bytes. Raises ValueError if requirements.txt has pins that it lacks."""
    lock = (root / _LOCK).read_bytes()
    if stale := find_unlocked((root / "requirements.txt").read_text(encoding="utf-8"), lock.decode()):
        raise ValueError(f"{_LOCK} is out of date ({', '.join(stale)}): run `make lock`")
    return lock


def find_unlocked(requirements: str, lock: str) -> list[str]:
    """Return the pins of `requirements` that `lock` does not have, and the names that `lock` leaves unpinned."""
    pinned = dict(_parse_pins(lock))
    missing = [
        f"{name}=={version}"
        for name, version in _parse_pins(requirements)
        if pinned.get(name) != version or not version
    ]
    return [*missing, *(name for name, version in pinned.items() if not version)]


def _parse_pins(text: str) -> Iterator[tuple[str, str]]:
    """Yield each requirement's normalised name (PEP 503) and its version, "" if it is not pinned."""
    for line in text.splitlines():
        if requirement := line.partition("#")[0].partition(";")[0].strip():
            name, _, version = requirement.partition("==")
            yield re.sub(r"[-_.]+", "-", name.partition("[")[0].strip()).lower(), version.strip()


def _walk_files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is to be deployed, but is not there")
    for inner in path.iterdir():
        if inner.is_symlink():
            raise ValueError(f"{inner} is a symbolic link: what it points to would not be deployed")
        if not inner.name.startswith(".") and inner.name != "__pycache__" and inner.suffix != ".pyc":
            yield from _walk_files(inner)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dropsight package", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "dropsight.zip", help="where to write the archive")
    out: Path = parser.parse_args(argv).out
    try:
        content = build_archive()
    except ValueError as error:
        raise SystemExit(str(error)) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    # An unchanged archive keeps its modification time, so that make and Terraform see no change.
    if not out.exists() or out.read_bytes() != content:
        out.write_bytes(content)
    sys.stdout.write(f"{out}: {len(list_members())} files, {len(content) / 1024:.0f} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
