"""Reads Terraform's test files: which runs they have, what each asserts, and which of it a report says has failed.

An assertion is known by its error message, which no other has, and a run that fails otherwise by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

_RUN = re.compile(r'^run "(\w+)" \{(?:\}|\n.*?^\})\n', re.DOTALL | re.MULTILINE)
_ASSERTION = re.compile(r'^  assert \{\n.*?^    error_message = "(.*?)"\n  \}\n', re.DOTALL | re.MULTILINE)
_ERROR = r"^Error: .*\n\n +on tests/"
_FAILED_RUN = re.compile(r'^ +run "(\w+)"\.\.\. fail$', re.MULTILINE)


@dataclass(frozen=True)
class Run:
    name: str
    text: str
    assertions: tuple[tuple[int, str], ...]
    """The line behind each assertion and its error message, in order."""

    @property
    def checks(self) -> frozenset[str]:
        """What can fail in it: its assertions and the whole run; nothing if it only prepares the runs after it."""
        expects = self.assertions or "\n  expect_failures = " in self.text
        return frozenset({self.name, *(message for _, message in self.assertions)} if expects else ())

    def at(self, line: int) -> str:
        """Return the error message of the assertion in which a line of the file lies, or the run's name."""
        return next((message for end, message in self.assertions if line < end), self.name)


def runs_in(text: str) -> Iterator[Run]:
    for match in _RUN.finditer(text):
        assertions = tuple(
            (1 + text.count("\n", 0, match.start() + assertion.end()), assertion[1])
            for assertion in _ASSERTION.finditer(match[0])
        )
        yield Run(match[1], match[0], assertions)


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
    """Return what failed: error messages of assertions, and names of runs that failed otherwise."""
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
