"""A pytest plugin: a test that failed shows what the functions of its local systems logged while it ran.

They run in processes of their own, so that pytest does not capture what they write.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest

_LINES_SHOWN = 300

_watched: dict[Path, int] = {}
"""Log files that are being written, and how many bytes of each the tests before had seen."""
_ended: list[str] = []
"""What systems that ended within the running test had logged."""


def watch(file: Path) -> None:
    """Show what is written to this file from now on (`up --json`: a JSON object a line) where a test fails."""
    _watched[file] = 0


def unwatch(file: Path) -> None:
    """Keep what the file holds for the running test; the file may then be deleted."""
    if (seen := _watched.pop(file, None)) is not None:
        _ended.append(_read(file, seen))


def pytest_runtest_setup() -> None:
    _ended.clear()
    for file in _watched:
        _watched[file] = file.stat().st_size


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        logs = [*_ended, *(_read(file, seen) for file, seen in _watched.items())]
        report.sections += [("what the functions logged", log) for log in logs if log]
    return report


def _read(file: Path, seen: int) -> str:
    with file.open("rb") as handle:
        handle.seek(seen)
        lines = handle.read().decode(errors="replace").splitlines()
    left_out = [f"({len(lines) - _LINES_SHOWN} earlier lines are left out)"] if len(lines) > _LINES_SHOWN else []
    return "\n".join([*left_out, *(_for_people(line) for line in lines[-_LINES_SHOWN:])])


def _for_people(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    if not isinstance(record, dict) or "function" not in record:
        return line
    trace = f"\n{record['stack_trace']}" if "stack_trace" in record else ""
    known = {"function", "severity", "message", "stack_trace"}
    others = " ".join(f"{name}={value}" for name, value in record.items() if name not in known)
    return f"{record['function']:<9} {record.get('severity', ''):<8} {record.get('message', '')}  {others}{trace}"
