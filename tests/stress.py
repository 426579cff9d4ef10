"""`make stress`: a suite over and over in random order, while other processes want every core.

Each run prints its counts and the seed of its order; its whole report is kept in build/stress/. With `--minutes`, no
run is begun that would end later, if it took as long as the longest before it. Exit status 0 only where no run failed.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.running import ROOT

_NEAR = ["--ignore=tests/chaos", "--ignore=tests/page", "tests"]
SUITES = {
    "tests": ["--numprocesses=3", "-m", "not long", *_NEAR],
    "long": ["--numprocesses=4", "-m", "long", *_NEAR],
    "chaos": ["--numprocesses=3", "tests/chaos"],
}
"""What `make test`, `make test-long` and `make chaos` run."""
REPORTS = ROOT / "build" / "stress"
_MAX_SECONDS = 3600
"""How long a run may take, and how long the load lasts if nobody ends it."""
_BUSY = """
import os, sys, time
parent, until = os.getppid(), time.monotonic() + float(sys.argv[1])
while time.monotonic() < until and os.getppid() == parent:
    sum(range(100_000))
"""
"""Computes for so many seconds, or until the process that started it is gone."""


@dataclass(frozen=True)
class Run:
    counts: dict[str, int]
    seconds: float
    durations: dict[str, float]
    """Seconds of each test with its fixtures."""
    failed: list[str]
    status: int

    @property
    def passed(self) -> bool:
        return self.status == 0 and not self.failed and bool(self.durations)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items() if count)
        return f"{counts or 'no test ran'} in {self.seconds:.0f} s"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--suite", choices=sorted(SUITES), default="tests")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no run that would end later")
    parser.add_argument("--load", type=int, default=os.cpu_count() or 1, help="busy processes (default: one a core)")
    parser.add_argument("--seed", type=int, help="of the first run's order; the others follow it")
    args = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    first = random.randrange(1 << 31) if args.seed is None else args.seed
    runs: list[Run] = []
    until = time.monotonic() + 60 * args.minutes
    for number in range(1, args.runs + 1):
        if not has_time_for_another(runs, until - time.monotonic()):
            _say(f"{number - 1} of {args.runs} runs: another would not end within {args.minutes:g} minutes")
            break
        seed = first + number - 1
        report = REPORTS / f"{args.suite}-{number:02d}"
        with busy(args.load):
            run = run_once(args.suite, seed, report)
        runs.append(run)
        _say(f"run {number} of {args.runs}: {'passed' if run.passed else 'FAILED'}: {run} (seed {seed})")
        for name in run.failed:
            _say(f"    {name}")
        if not run.passed:
            _say(f"    see {report.relative_to(ROOT)}.log")
    return _sum_up(args.suite, runs)


def has_time_for_another(runs: list[Run], seconds: float) -> bool:
    """Whether one more run would end in time; the first is always begun, for nobody knows how long it takes."""
    return not runs or max(run.seconds for run in runs) <= seconds


@contextmanager
def busy(processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep so many cores busy. The load ends with the context, with this process, or after an hour."""
    command = [sys.executable, "-c", _BUSY, str(_MAX_SECONDS)]
    load = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield load
    finally:
        for process in load:
            process.kill()
            process.wait()


def run_once(suite: str, seed: int, report: Path) -> Run:
    """Run the suite; what pytest prints goes to `report`.log."""
    results = report.with_suffix(".xml")
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", "randomly", f"--randomly-seed={seed}", "--dist=loadfile"]
    command += [f"--junitxml={results}", "-rfE", *SUITES[suite]]
    began = time.monotonic()
    with report.with_suffix(".log").open("wb") as log, contextlib.suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=_MAX_SECONDS)
        return read_results(results, time.monotonic() - began, done.returncode)
    return Run({}, time.monotonic() - began, {}, [f"not ended within {_MAX_SECONDS} s"], 1)


def read_results(results: Path, seconds: float, status: int) -> Run:
    """Read what pytest wrote as JUnit XML. A test that failed and whose teardown failed as well counts in both."""
    counts = dict.fromkeys(("passed", "failed", "errors", "skipped"), 0)
    durations: dict[str, float] = {}
    failed: list[str] = []
    cases = ElementTree.parse(results).getroot().iter("testcase") if results.exists() else ()
    for case in cases:
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        durations[name] = durations.get(name, 0.0) + float(case.get("time", 0))
        kinds = {child.tag for child in case}
        outcome = next((kind for kind in ("failure", "error", "skipped") if kind in kinds), "passed")
        counts[{"failure": "failed", "error": "errors"}.get(outcome, outcome)] += 1
        if outcome in ("failure", "error"):
            failed.append(name)
    return Run(counts, seconds, durations, failed, status)


def _sum_up(suite: str, runs: list[Run]) -> int:
    longest: dict[str, float] = {}
    for run in runs:
        for name, seconds in run.durations.items():
            longest[name] = max(longest.get(name, 0.0), seconds)
    slowest = sorted(longest.items(), key=lambda each: -each[1])[:5]
    _say("the slowest tests: " + "; ".join(f"{seconds:.1f} s {name}" for name, seconds in slowest))
    passed = sum(run.passed for run in runs)
    times = [run.seconds for run in runs]
    took = f"{min(times):.0f} to {max(times):.0f} s a run"
    _say(f"stress of {suite}: {passed} of {len(runs)} runs passed, {sum(map(_total, runs))} tests in all, {took}")
    return 0 if passed == len(runs) else 1


def _total(run: Run) -> int:
    return sum(run.counts.values())


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
