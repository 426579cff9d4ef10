"""`make bench`: compares Dropsight with the documented pattern, on the same stand-ins and in the same run.

The baseline (tests/bench/baseline.py) downloads to /tmp, uploads the path, polls, asks and writes a document. Ours and
the baseline take turns; figures are medians. On Cloud Run /tmp is memory, so files there count as memory. Each part is
printed and written to the JSON file as soon as it ends.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from local import event_loop, screen
from tests.bench.bench_system import BenchSystem
from tests.bench.cold_start import cold_start
from tests.bench.figures import Part, Row, as_json, as_table
from tests.bench.growth import growth
from tests.bench.look_ups import look_ups
from tests.bench.machine import OtherLoad
from tests.bench.small_files import cost, cpu_per_task, latency, throughput
from tests.bench.transfer import transfer

PARTS = ("cold", "cpu", "latency", "cost", "throughput", "look-ups", "transfer", "growth")

Measure = Callable[[], list[Row] | Awaitable[list[Row]]]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each part (default 3)")
    parser.add_argument("--tasks", type=int, default=100_000, help="how many tasks growth ends with (default 100000)")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures are written")
    args = parser.parse_args(argv)
    names = [part.strip() for part in args.only.split(",") if part.strip()] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    report = Report(args.json, args.rounds)
    began = time.monotonic()
    event_loop.run(_measure(names, args.rounds, args.tasks, report))
    screen.print_plain(f"\nAll parts, after {time.monotonic() - began:.0f} s:\n\n{as_table(report.parts)}")
    return 0


class Report:
    """Keeps what was measured, and prints and writes each part as it comes."""

    def __init__(self, file: Path, rounds: int) -> None:
        self.parts: list[Part] = []
        self._file, self._rounds = file, rounds

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        figures = {"rounds": self._rounds, "parts": as_json(self.parts)}
        self._file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
        screen.print_plain("\n".join(filter(None, (f"\n{part.name}, {part.seconds:.0f} s:", part.remark))))
        screen.print_plain(as_table([part]))


async def _measure(names: Sequence[str], rounds: int, tasks: int, report: Report) -> None:
    if "cold" in names:
        report.add(await _part("cold", partial(cold_start, rounds)))
    if set(names) <= {"cold"}:
        return
    with tempfile.TemporaryDirectory(prefix="dropsight-bench-") as name:
        screen.print_progress("starting the system and the baseline")
        async with BenchSystem(Path(name)) as bench:
            run: dict[str, Measure] = {
                "cpu": partial(cpu_per_task, bench, rounds),
                "latency": partial(latency, bench, rounds),
                "cost": partial(cost, bench),
                "throughput": partial(throughput, bench, rounds),
                "look-ups": partial(look_ups, bench, rounds),
                "transfer": partial(transfer, bench, Path(name), rounds),
                "growth": partial(growth, bench, tasks, rounds),
            }
            for part, measure in run.items():
                if part in names:
                    report.add(await _part(part, measure))


async def _part(name: str, measure: Measure) -> Part:
    screen.print_progress(f"measuring {name}")
    began = time.monotonic()
    with OtherLoad() as others:
        rows = measure()
        if inspect.isawaitable(rows):
            rows = await rows
    return Part(name, rows, time.monotonic() - began, others.share)


if __name__ == "__main__":
    sys.exit(main())
