"""`make bench`: compares Dropsight with the pattern of the public guides, on the same stand-ins and in the same run.

The simple way (tests/bench/simple_way.py) is that pattern: a storage-triggered function that downloads the object to
/tmp, uploads the path, waits, asks, and writes a document. On Cloud Run /tmp is memory, so files there count as memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from local import screen
from local.endpoints import PROJECT
from local.system import INBOX, LocalSystem, Options
from local.workers import ROOT, Worker
from tests.environment import function_environment

SIMPLE_INBOX = "simple-way-inbox"
_FUNCTIONS = ("ingest", "generate", "api", "notify", "sweep")


@dataclass(frozen=True)
class Figures:
    """Measurements of one way. Times in seconds, memory in bytes."""

    small_files_seconds: float
    large_file_seconds: float
    large_file_peak_memory: int
    model_calls_for_five_deliveries: int


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--small-files", type=int, default=50, help="how many small files are dropped at once (default 50)"
    )
    parser.add_argument("--large-mib", type=int, default=256, help="size of the large recording (default 256)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    figures = asyncio.run(_measure(args.small_files, args.large_mib))
    imports = {name: import_seconds(name) for name in _FUNCTIONS}
    if args.json:
        screen.print_json({"ways": {name: asdict(way) for name, way in figures.items()}, "import_seconds": imports})
        return 0
    _print_figures(figures["dropsight"], figures["simple way"], args.small_files, args.large_mib)
    screen.print_line(
        "\nimport of a function's module, beside Python's own start: "
        + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in imports.items())
    )
    return 0


async def _measure(small_files: int, large_mib: int) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory(prefix="dropsight-bench-") as folder:
        large = Path(folder) / "large.wav"
        write_recording(large, large_mib)
        async with LocalSystem(Options(port_base=0), _report_errors) as system:
            await _create_bucket(system, SIMPLE_INBOX)
            temporary = Path(folder) / "tmp"
            temporary.mkdir()
            environment = {**system.worker_environment(), "TMPDIR": str(temporary)}
            source = ROOT / "tests" / "bench" / "simple_way.py"
            simple = Worker("simple_way", environment, _report_errors, event=True, source=source)
            system.storage.subscribe(SIMPLE_INBOX, {"finalized"}, await simple.url(), name=SIMPLE_INBOX)
            try:
                ways = {
                    "dropsight": (INBOX, system.workers["generate"], None),
                    "simple way": (SIMPLE_INBOX, simple, temporary),
                }
                return {name: await _measure_way(system, *way, small_files, large) for name, way in ways.items()}
            finally:
                await simple.stop()


async def _measure_way(
    system: LocalSystem, bucket: str, worker: Worker, temporary: Path | None, small_files: int, large: Path
) -> Figures:
    await _drop(system, bucket, ["warm-up.txt"], b"warm up")
    names = [f"small-{number}.txt" for number in range(small_files)]
    small_seconds = await _drop(system, bucket, names, b"a few words")
    peak = asyncio.create_task(_watch_peak(worker, temporary))
    large_seconds = await _drop(system, bucket, ["large.wav"], large)
    peak.cancel()
    try:
        await peak
    except asyncio.CancelledError:
        memory = _peaks.pop()
    before = _count_model_calls(system)
    system.storage.set_events(copies=5)
    await _drop(system, bucket, ["five-times.txt"], b"only once")
    await _wait_until(lambda: system.storage.pending() == 0 and system.queue.idle())
    system.storage.set_events(copies=1)
    return Figures(small_seconds, large_seconds, memory, _count_model_calls(system) - before)


_peaks: list[int] = []


async def _watch_peak(worker: Worker, temporary: Path | None) -> None:
    """Record the peak of the worker's memory and of its /tmp, when cancelled."""
    most_in_tmp = 0
    try:
        while True:
            if temporary is not None:
                most_in_tmp = max(
                    most_in_tmp, sum(file.stat().st_size for file in temporary.rglob("*") if file.is_file())
                )
            await asyncio.sleep(0.02)
    finally:
        _peaks.append(worker.memory_peak() + most_in_tmp)


async def _drop(system: LocalSystem, bucket: str, names: list[str], data: bytes | Path) -> float:
    """Drop files, wait until each has its answer, and return the seconds it took."""
    from google.cloud import firestore

    os.environ["STORAGE_EMULATOR_HOST"] = system.endpoints.storage
    client = firestore.AsyncClient(project=PROJECT)
    began = time.monotonic()
    await asyncio.to_thread(_upload, bucket, names, data)
    collection, key = ("tasks", "source.name") if bucket == INBOX else ("simple", "name")

    async def all_completed() -> bool:
        snapshots = [snapshot async for snapshot in client.collection(collection).select([key, "status"]).stream()]
        return set(names) <= {snapshot.get(key) for snapshot in snapshots if snapshot.get("status") == "completed"}

    deadline = time.monotonic() + 600
    while not await all_completed():
        if time.monotonic() > deadline:
            raise SystemExit(f"{bucket}: not done after ten minutes")
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def _upload(bucket: str, names: list[str], data: bytes | Path) -> None:
    from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

    target = storage.Client(project=PROJECT).bucket(bucket)
    for name in names:
        blob = target.blob(name)
        if isinstance(data, Path):
            blob.upload_from_filename(str(data), content_type="audio/wav", timeout=600)
        else:
            blob.upload_from_string(data, content_type="text/plain")


async def _create_bucket(system: LocalSystem, name: str) -> None:
    from google.cloud import storage  # type: ignore[attr-defined,unused-ignore]

    os.environ["STORAGE_EMULATOR_HOST"] = system.endpoints.storage
    await asyncio.to_thread(lambda: storage.Client(project=PROJECT).create_bucket(name))


async def _wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)


def _count_model_calls(system: LocalSystem) -> int:
    gemini = system.tap.ledger.stats().get("gemini", {})
    return gemini.get("generateContent", 0) + gemini.get("streamGenerateContent", 0)


def write_recording(file: Path, mebibytes: int) -> None:
    """Write a WAV file of silence, in CD quality and mono."""
    with wave.open(str(file), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(44_100)
        silence = bytes(1 << 20)
        for _ in range(mebibytes):
            recording.writeframesraw(silence)


def import_seconds(function: str) -> float:
    """Return how many seconds the import of a function's module takes, beyond Python's own start: the best of three."""
    code = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); import functions.{function}.main"
    environment = {**os.environ, **function_environment()}

    def best(words: str) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", words], env=environment, cwd=ROOT, check=True)
            times.append(time.perf_counter() - began)
        return min(times)

    return best(code) - best("pass")


def _print_figures(ours: Figures, simple: Figures, small_files: int, large_mib: int) -> None:
    rows = [
        (f"{small_files} small files dropped at once", ours.small_files_seconds, simple.small_files_seconds, "s"),
        (f"one recording of {large_mib} MiB", ours.large_file_seconds, simple.large_file_seconds, "s"),
        ("  its peak memory", ours.large_file_peak_memory / 2**20, simple.large_file_peak_memory / 2**20, "MiB"),
        (
            "model calls for one file, its event delivered five times",
            ours.model_calls_for_five_deliveries,
            simple.model_calls_for_five_deliveries,
            "",
        ),
    ]
    screen.print_line(f"{'':<58}{'Dropsight':>12}{'simple way':>12}{'ratio':>8}")
    for measurement, mine, theirs, unit in rows:
        screen.print_line(f"{measurement:<58}{mine:>9.1f} {unit:<3}{theirs:>8.1f} {unit:<3}{mine / theirs:>7.2f}")


def _report_errors(function: str, record: dict[str, object]) -> None:
    if record.get("severity") in ("ERROR", "CRITICAL"):
        screen.print_error(f"{function}: {json.dumps(record)}")


if __name__ == "__main__":
    sys.exit(main())
