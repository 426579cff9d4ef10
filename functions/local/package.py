"""The archive that is deployed: `python -m functions.local.package --out build/dropsight.zip`.

The same tree gives the same bytes, on any machine: Terraform names the archive by its hash, and an archive that differs
by a clock or a umask would deploy all functions anew. It holds what runs in the cloud and nothing else.
"""

from __future__ import annotations

import argparse
import io
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
            out.writestr(entry, (root / name).read_bytes())
    return made.getvalue()


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
    parser = argparse.ArgumentParser(prog="python -m functions.local.package", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "dropsight.zip", help="where to write the archive")
    out: Path = parser.parse_args(argv).out
    made = archive()
    out.parent.mkdir(parents=True, exist_ok=True)
    # Not written where nothing changed, so that make and Terraform see an old file as old.
    if not out.exists() or out.read_bytes() != made:
        out.write_bytes(made)
    sys.stdout.write(f"{out}: {len(members())} files, {len(made) / 1024:.0f} KiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
