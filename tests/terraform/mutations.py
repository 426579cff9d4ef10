"""Breaks copies of the configuration in the ways that hurt; Terraform's own tests must notice each.

`python -m tests.terraform.mutations` tries all of mutations.toml, several at once in one copy where each is noticed by
a check of its own; `python -m tests.terraform.mutations NAME …` tries the named ones one by one. See `checker` for
TERRAFORM_CHECK. Ends with 1 where a mutation survives or the untouched control fails, 2 where nothing could be checked.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.terraform import runs
from tests.terraform.checker import CONFIGURATION, Unavailable, check, copied

INVALID = "invalid"
"""What is said to catch a mutation that makes the configuration invalid: no run, and it is tried alone."""

_IMPOSSIBLE = re.compile(r"^Error: (Unsupported (argument|attribute)|Reference to)", re.MULTILINE)
AT_ONCE = 2
"""Copies that are checked at the same time."""


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    of: str
    to: str
    caught_by: str
    also: tuple[str, ...] = ()
    apart_from: str = ""
    """A mutation that keeps this one's run from failing as it does alone."""

    @property
    def breaks(self) -> frozenset[str]:
        return frozenset({self.caught_by, *self.also})


def mutations() -> list[Mutation]:
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [Mutation(name=name, **{**fields, "also": tuple(fields.get("also", ()))}) for name, fields in listed.items()]


def place(text: str, mutation: Mutation) -> tuple[int, int]:
    """Return where the file's text holds what the mutation breaks. Raises ValueError if it does not any more."""
    match = re.search(r" +".join(re.escape(word) for word in mutation.of.split(" ")), text)
    if match is None or match[0] == mutation.to:
        raise ValueError(f"{mutation.name}: {mutation.file} does not hold {mutation.of!r} any more")
    return match.span()


def batches(chosen: Sequence[Mutation]) -> list[list[Mutation]]:
    """Put mutations together that break different places and are caught by different checks.

    What else they break, they may break together. An invalid one stands alone.
    """
    made: list[list[Mutation]] = []
    for mutation in chosen:
        fitting = (batch for batch in made if all(_agree(mutation, other) for other in batch))
        batch = next(fitting, None)
        if batch is None:
            made.append([mutation])
        else:
            batch.append(mutation)
    return made


def _agree(one: Mutation, other: Mutation) -> bool:
    if other.name == one.apart_from or one.name == other.apart_from:
        return False
    if INVALID in one.breaks | other.breaks or _hides(one, other) or _hides(other, one):
        return False
    if one.file != other.file:
        return True
    text = (CONFIGURATION / one.file).read_text()
    (start, end), (others_start, others_end) = place(text, one), place(text, other)
    return end <= others_start or others_end <= start


def _hides(one: Mutation, other: Mutation) -> bool:
    """Whether one fails by itself what catches the other, or keeps from being checked what the other breaks."""
    unchecked = frozenset[str]().union(*(run.checks - {run.name} for run in _runs() if run.name in one.breaks))
    return other.caught_by in one.breaks or bool(unchecked & other.breaks)


@cache
def _runs() -> tuple[runs.Run, ...]:
    return tuple(run for path in runs.tests_of(CONFIGURATION) for run in runs.runs_in(path.read_text()))


def break_(directory: Path, batch: Sequence[Mutation]) -> None:
    for file in {mutation.file for mutation in batch}:
        path = directory / file
        text = path.read_text()
        places = [(place(text, mutation), mutation.to) for mutation in batch if mutation.file == file]
        for (start, end), to in sorted(places, reverse=True):
            text = text[:start] + to + text[end:]
        path.write_text(text)
    subprocess.run(["terraform", "fmt", str(directory)], check=True, capture_output=True)


def tried(batch: Sequence[Mutation]) -> list[str]:
    """Try mutations together in one copy. Return a line for each listed check that passes or other check that fails.

    A mutation may hide behind another that breaks its check too; tried alone, by its name, it cannot.
    """
    with copied() as directory:
        break_(directory, batch)
        breaks = frozenset[str]().union(*(mutation.breaks for mutation in batch))
        runs.keep_only(directory, breaks)
        report = check(directory).stderr
        if not runs.was_tested(report):
            if breaks == {INVALID} and _IMPOSSIBLE.search(report):
                return []
            return [f"{', '.join(mutation.name for mutation in batch)}: nothing was tested:\n{report}"]
        failed = runs.failures(directory, report)
    survived = [f"SURVIVED  {one.name}: {check!r} passes" for one in batch for check in sorted(one.breaks - failed)]
    return survived + [
        f"UNLISTED  {check!r} fails too, for one of {[m.name for m in batch]}" for check in failed - breaks
    ]


def control() -> list[str]:
    """Check the untouched configuration. Return a line if it fails."""
    with copied() as directory:
        ran = check(directory)
    return [] if ran.returncode == 0 else [f"the untouched configuration fails:\n{ran.stderr}"]


def main(argv: Sequence[str] | None = None) -> int:
    names = list(sys.argv[1:] if argv is None else argv)
    chosen = [mutation for mutation in mutations() if not names or mutation.name in names]
    together = [[mutation] for mutation in chosen] if names else batches(chosen)
    began = time.monotonic()
    wrong: list[str] = []
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pending = [pool.submit(control), *(pool.submit(tried, batch) for batch in together)]
            for lines in (future.result() for future in pending):
                wrong += lines
                sys.stdout.writelines(f"{line}\n" for line in lines)
                sys.stdout.flush()
    except Unavailable as error:
        sys.stderr.write(f"not checked: {error}\n")
        return 2
    took = time.monotonic() - began
    outcome = "not all are caught" if wrong else "the control passes and all are caught"
    sys.stdout.write(f"{len(chosen)} mutations in {len(together)} copies: {outcome}, in {took:.0f} s\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
