"""Runs every file of a folder through the examiner and holds it against a reference: `python -m tests.corpora FOLDER`.

References: the pages that qpdf counts (pypdf, where qpdf is not there), and the seconds that FFmpeg demuxes (ffprobe,
or PyAV where it is not there). Prints what disagrees, and ends with one line of counts. Nothing of a corpus is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts, MediaType, check, identify
from shared.examiner import Examiner, Threaded
from shared.sandbox import Sandbox
from tests.corpora.reference import is_sound, reference_pages, reference_seconds

_TOLERANCE = 0.02
"""Of the length, beside a quarter of a second."""
_NOT_SOUND = "not sound by the reference either"
_AS_EXPECTED = ("agrees", "refused at sight", "taken without a reference", "refused as damaged", _NOT_SOUND)


class FileBytes:
    """A file on disk."""

    def __init__(self, file: Path) -> None:
        self._file, self.size = file, file.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        with self._file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(length)


async def compare(folder: Path, *, verbose: bool) -> Counter[str]:
    """Count what became of the files, by outcome."""
    counts: Counter[str] = Counter()
    sandbox = Sandbox()
    examiner = Examiner(sandbox)
    slowest = (0.0, folder)
    for file in _files(folder):
        outcome, line, seconds = await _judged(examiner, file)
        slowest = max(slowest, (seconds, file))
        counts[outcome] += 1
        if verbose or outcome not in _AS_EXPECTED:
            _say(f"{outcome}: {file.relative_to(folder)}: {line}")
    await sandbox.close()
    _say(f"slowest: {slowest[0]:.2f} s, {slowest[1].name}")
    return counts


async def _judged(examiner: Examiner, file: Path) -> tuple[str, str, float]:
    """What became of a file, what there is to say of it, and the seconds that the examiner took."""
    source = FileBytes(file)
    kind = await asyncio.to_thread(identify, source, file.name)
    if not isinstance(kind, MediaType):
        return "refused at sight", kind.message, 0.0
    began = time.monotonic()
    facts = await examiner.examine(Threaded(source, asyncio.to_thread), kind)
    seconds = time.monotonic() - began
    for word, outcome in (("took too long", "HANG"), ("crashed", "CRASH"), ("too much memory", "OUT OF MEMORY")):
        if word in (facts.problem or ""):
            return outcome, facts.problem or "", seconds
    return *await asyncio.to_thread(_compared, file, facts), seconds


def _compared(file: Path, facts: Facts) -> tuple[str, str]:
    match facts.media_type.family:
        case "pdf":
            outcome, line = _against(facts, facts.pages, reference_pages(file), exact=True)
            return (outcome if outcome in _AS_EXPECTED or is_sound(file) else _NOT_SOUND), line
        case "audio" | "video":
            return _against(facts, facts.duration, reference_seconds(file), exact=False)
        case _:
            try:
                check(facts)
            except PermanentFailure as refused:
                return "refused as damaged", refused.message
            return "taken without a reference", ""


def _against(facts: Facts, found: float | None, reference: float | None, *, exact: bool) -> tuple[str, str]:
    line = f"{found} found, {reference} by the reference; {facts.media_type.mime}; {facts.problem or ''}"
    if facts.problem is not None:
        return ("refused as damaged" if reference is None else "REFUSED, BUT THE REFERENCE READS IT"), line
    if reference is None:
        return "TAKEN, BUT THE REFERENCE DOES NOT READ IT", line
    near = found is not None and abs(found - reference) <= (0 if exact else max(0.25, _TOLERANCE * reference))
    return ("agrees" if near else "DISAGREES"), line


def _files(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.parts and path.stat().st_size
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.corpora", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--verbose", action="store_true", help="print what agrees, too")
    asked = parser.parse_args(argv)
    counts = asyncio.run(compare(asked.folder, verbose=asked.verbose))
    _say(f"{counts.total()} files: " + ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common()))
    return 1 if counts["HANG"] + counts["CRASH"] else 0


if __name__ == "__main__":
    sys.exit(main())
