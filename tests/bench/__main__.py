"""`make bench`: compares Dropsight with the documented pattern, on the same stand-ins and in the same run.

The baseline (tests/bench/baseline.py) downloads to /tmp, uploads the path, polls, asks and writes a document. Ours and
the baseline take turns; figures are medians. On Cloud Run /tmp is memory, so files there count as memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from local import event_loop, screen
from tests.bench.bench_system import BenchSystem
from tests.bench.cold_start import cold_start
from tests.bench.figures import Row, as_json, as_table
from tests.bench.look_ups import growth, look_ups
from tests.bench.machine import busy_share, noise
from tests.bench.small_files import cost, cpu_per_task, latency, throughput
from tests.bench.transfer import transfer

PARTS = ("cold", "cpu", "latency", "cost", "throughput", "transfer", "look-ups", "growth")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help=f"parts, separated by commas: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each part (default 3)")
    parser.add_argument("--tasks", type=int, default=100_000, help="how many tasks growth ends with (default 100000)")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures are written")
    args = parser.parse_args(argv)
    parts = [part.strip() for part in args.only.split(",") if part.strip()] or list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    shares: list[float] = []
    rows = event_loop.run(_measure(parts, args.rounds, args.tasks, shares))
    remark = noise(shares)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    figures = {"rows": as_json(rows), "noise": remark, "busy_shares": shares, "rounds": args.rounds}
    args.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    screen.print_line(as_table(rows))
    if remark:
        screen.print_line(f"\n{remark}")
    return 0


async def _measure(parts: Sequence[str], rounds: int, tasks: int, shares: list[float]) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="dropsight-bench-") as name:
        shares.append(busy_share())
        if "cold" in parts:
            rows += cold_start(rounds)
        if set(parts) <= {"cold"}:
            return rows
        async with BenchSystem(Path(name)) as bench:
            run: dict[str, Callable[[], Awaitable[list[Row]]]] = {
                "cpu": partial(cpu_per_task, bench, rounds),
                "latency": partial(latency, bench, rounds),
                "cost": partial(cost, bench),
                "throughput": partial(throughput, bench, rounds),
                "transfer": partial(transfer, bench, Path(name), rounds),
                "look-ups": partial(look_ups, bench, rounds),
                "growth": partial(growth, bench, tasks, rounds),
            }
            for part, measure in run.items():
                if part in parts:
                    screen.print_progress(f"measuring {part}")
                    shares.append(await asyncio.to_thread(busy_share))
                    rows += await measure()
    return rows


if __name__ == "__main__":
    sys.exit(main())
