"""Many small files: CPU time per task, files per second with a model of a second, drop to completed, cost per task."""

from __future__ import annotations

import asyncio
import time

import httpx2

from tests.bench.bench_system import BenchSystem, Side
from tests.bench.figures import Row, agree, middle
from tests.bench.machine import Stopwatch

FILES = 400
_CPU_FILES = 150
_LATENCY_FILES = 15


async def cpu_per_task(bench: BenchSystem, rounds: int) -> list[Row]:
    functions: dict[str, list[float]] = {"Dropsight": [], "baseline": []}
    standins: dict[str, list[float]] = {"Dropsight": [], "baseline": []}
    for number in range(rounds):
        if agree(*functions.values(), *standins.values()):
            break
        for side in (bench.ours, bench.baseline):
            before = side.cpu()
            with Stopwatch() as watch:
                await bench.drop(side, f"cpu-{number}", _CPU_FILES)
            functions[side.name].append((side.cpu() - before) / _CPU_FILES * 1000)
            standins[side.name].append(watch.cpu / _CPU_FILES * 1000)
    ours, theirs = (middle(values) for values in functions.values())
    our_standins, their_standins = (middle(values) for values in standins.values())
    return [
        Row("CPU per task, functions", "ms", ours, theirs, "≤ 2.0×"),
        Row("CPU per task, stand-ins", "ms", our_standins, their_standins, "≤ 20"),
    ]


async def throughput(bench: BenchSystem, rounds: int) -> list[Row]:
    """Files per second with a model that takes a second, all dropped at once."""
    rates: dict[str, list[float]] = {"ours": [], "default": [], "equal": []}
    bench.system.gemini.set_model({"latency": 1.0})
    try:
        for number in range(rounds):
            if agree(*rates.values()):
                break
            for name, side, files in (
                ("ours", bench.ours, FILES),
                ("default", bench.baseline, FILES // 4),
                ("equal", bench.equal, FILES),
            ):
                with Stopwatch() as watch:
                    await bench.drop(side, f"many-{number}", files)
                rates[name].append(files / watch.seconds)
    finally:
        bench.system.gemini.set_model({"reset": True})
    ours, default, equal = (middle(rates[name]) for name in ("ours", "default", "equal"))
    return [
        Row("small files, baseline with its 8 threads", "files/s", ours, default, "≥ 4×", clock=True),
        Row("small files, both with concurrency 64", "files/s", ours, equal, "≥ 0.9×", clock=True),
    ]


async def latency(bench: BenchSystem, rounds: int) -> list[Row]:
    """Seconds from the drop of one file to its completed task, with a model that answers at once."""
    taken: dict[str, list[float]] = {"Dropsight": [], "baseline": []}
    async with httpx2.AsyncClient(base_url=bench.system.endpoints.storage) as client:
        for number in range(rounds * _LATENCY_FILES):
            for side in (bench.ours, bench.baseline):
                taken[side.name].append(await _drop_one(bench, side, client, number) * 1000)
                await bench.settle()
    ours, theirs = (middle(taken[name]) for name in taken)
    return [Row("drop to completed, instant model", "ms", ours, theirs, "≤ 1.8×", clock=True)]


async def _drop_one(bench: BenchSystem, side: Side, client: httpx2.AsyncClient, number: int) -> float:
    seen = len(bench.completed_at)
    began = time.monotonic()
    path, params = f"/upload/storage/v1/b/{side.inbox}/o", {"uploadType": "media", "name": f"one-{number}.txt"}
    await client.post(path, params=params, content=b"a few words", headers={"Content-Type": "text/plain"})
    if side is bench.ours:
        while len(bench.completed_at) == seen:
            await asyncio.sleep(0.001)
        return bench.completed_at[-1] - began
    # The event is acknowledged once the document is written.
    while bench.system.storage.pending():
        await asyncio.sleep(0.001)
    return time.monotonic() - began


async def cost(bench: BenchSystem) -> list[Row]:
    """Billed operations and calls per task."""
    counted: dict[str, dict[str, float]] = {}
    for side in (bench.ours, bench.baseline):
        before, calls = bench.system.tap.ledger.stats(), bench.system.tap.ledger.total_calls
        await bench.drop(side, "cost", 20)
        after = bench.system.tap.ledger.stats()
        counted[side.name] = {
            "calls of services": (bench.system.tap.ledger.total_calls - calls) / 20,
            **{
                f"{service} {name}": (count - before.get(service, {}).get(name, 0)) / 20
                for service, counters in after.items()
                for name, count in counters.items()
                if not name.startswith("bytes")
            },
        }
    names = [name for name in counted["Dropsight"] if counted["Dropsight"][name] or counted["baseline"].get(name)]
    return [
        Row(f"per task: {name}", "", counted["Dropsight"][name], counted["baseline"].get(name, 0.0))
        for name in sorted(names)
    ]
