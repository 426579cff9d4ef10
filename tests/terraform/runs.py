"""Reads Terraform's test files: which runs they have, what each asserts, and which of it a report says has failed.

An assertion is known by its error message, which no other has; a refusal that a run expects, in a line of its own, by
the run's name and what refuses; and a run that fails otherwise by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

_RUN = re.compile(r'^run "(\w+)" \{(?:\}|\n.*?^\})\n', re.DOTALL | re.MULTILINE)
_ASSERTION = re.compile(r'^  assert \{\n.*?^    error_message = "(.*?)"\n  \}\n', re.DOTALL | re.MULTILINE)
_REFUSAL = re.compile(r"^    ((?:google_\w+|var)\.[^ ]+),\n", re.MULTILINE)
_ERROR = r"^Error: .*\n\n +on tests/"
_FAILED_RUN = re.compile(r'^ +run "(\w+)"\.\.\. fail$', re.MULTILINE)


@dataclass(frozen=True)
class Run:
    name: str
    text: str
    expectations: tuple[tuple[range, str], ...]
    """The lines of each assertion or expected refusal, and what it is known by."""

    @property
    def checks(self) -> frozenset[str]:
        """What can fail in it: its expectations and the whole run; nothing if it only prepares the runs after it."""
        expects = self.expectations or "\n  expect_failures = " in self.text
        return frozenset({self.name, *(name for _, name in self.expectations)} if expects else ())

    def at(self, line: int) -> str:
        """Return the expectation in which a line of the file lies, or the run's name."""
        return next((name for lines, name in self.expectations if line in lines), self.name)


def runs_in(text: str) -> Iterator[Run]:
    for match in _RUN.finditer(text):
        expected = [(found, found[1]) for found in _ASSERTION.finditer(match[0])]
        expected += [(found, f"{match[1]}: {found[1]}") for found in _REFUSAL.finditer(match[0])]
        first = 1 + text.count("\n", 0, match.start())
        expectations = tuple(
            (range(*(first + match[0].count("\n", 0, place) for place in found.span())), name)
            for found, name in expected
        )
        yield Run(match[1], match[0], expectations)


def tests_of(directory: Path) -> list[Path]:
    return sorted(directory.glob("tests/*.tftest.hcl"))


def keep_only(directory: Path, checks: Set[str]) -> None:
    """Leave the runs that check one of these, each in a file of its own, since an error skips the rest of its file.

    Runs that check nothing prepare the ones after them, and stay with each.
    """
    for path in tests_of(directory):
        text = path.read_text()
        runs = list(runs_in(text))
        start = text[: text.index(runs[0].text)] + "".join(run.text for run in runs if not run.checks)
        for run in runs:
            if run.checks & checks:
                path.with_name(f"{path.name.partition('.')[0]}_{run.name}.tftest.hcl").write_text(f"{start}{run.text}")
        path.unlink()


def was_tested(report: str) -> bool:
    """Whether a report tells of runs; otherwise the configuration is badly formatted or invalid."""
    return " in progress\n" in report


def failures(directory: Path, report: str) -> set[str]:
    """Return what failed: expectations, and names of runs that failed otherwise."""
    failed = set()
    for path in tests_of(directory):
        runs = {run.name: run for run in runs_in(path.read_text())}
        file = re.escape(path.name)
        report_of = re.search(
            rf"^tests/{file}\.\.\. in progress\n(.*?)^tests/{file}\.\.\. tearing", report, re.S | re.M
        )
        unexplained = set(_FAILED_RUN.findall(report_of[1])) if report_of else set()
        for line, name in re.findall(rf'{_ERROR}{file} line (\d+), in run "(\w+)"', report, re.M):
            failed.add(runs[name].at(int(line)))
            unexplained.discard(name)
        failed |= unexplained
    return failed
