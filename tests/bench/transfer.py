"""One large recording: time over links of 100 MiB/s on both sides, and memory."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2

from local.workers import Worker
from tests.bench.bench_system import BenchSystem, Side
from tests.bench.figures import Row, agree, middle
from tests.bench.machine import Stopwatch

LINK_MIB_S = 100.0
_MIB = 1 << 20
_WAV_MIB = 1000
"""As much as fits into a WAV file's length field, with room."""


async def transfer(bench: BenchSystem, folder: Path, rounds: int) -> list[Row]:
    """A recording of 1 GB over links of 100 MiB/s; the ratio is to the time that one link takes."""
    file = folder / "large.wav"
    write_recording(file, _WAV_MIB)
    bench.system.gemini.set_model({"link_mib_s": LINK_MIB_S})
    taken: dict[str, list[float]] = {"Dropsight": [], "baseline": []}
    growth: dict[str, list[float]] = {"Dropsight": [], "baseline": []}
    try:
        for number in range(rounds):
            if agree(*taken.values()):
                break
            for side in (bench.ours, bench.baseline):
                async with _paused_events(bench):
                    await _upload(bench, side, f"large-{number}.wav", file)
                    bench.system.storage.limit_downloads(LINK_MIB_S)
                seconds, memory = await _watched(bench, side)
                taken[side.name].append(seconds)
                growth[side.name].append(memory)
    finally:
        bench.system.storage.limit_downloads(None)
        bench.system.gemini.set_model({"reset": True})
    ours, theirs = (middle(taken[name]) for name in taken)
    our_growth, their_growth = (middle(growth[name]) for name in growth)
    link = _WAV_MIB / LINK_MIB_S
    return [
        Row(f"{_WAV_MIB} MiB against one link's time", "s", ours, link, "≤ 1.05×", clock=True),
        Row(f"{_WAV_MIB} MiB against the baseline", "s", ours, theirs, clock=True),
        Row(f"memory growth at {_WAV_MIB} MiB", "MiB", our_growth, their_growth, "≤ 48"),
    ]


@contextlib.asynccontextmanager
async def _paused_events(bench: BenchSystem) -> AsyncIterator[None]:
    """Hold events while the file is uploaded, so that only the functions' work is timed."""
    bench.system.storage.set_events(hold=True)
    try:
        yield
    finally:
        bench.system.storage.set_events(hold=False)


async def _upload(bench: BenchSystem, side: Side, name: str, file: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        with file.open("rb") as opened:
            while piece := await asyncio.to_thread(opened.read, 4 * _MIB):
                yield piece

    async with httpx2.AsyncClient(base_url=bench.system.endpoints.storage, timeout=600) as client:
        path, params = f"/upload/storage/v1/b/{side.inbox}/o", {"uploadType": "media", "name": name}
        headers = {"Content-Type": "audio/wav"}
        (await client.post(path, params=params, content=pieces(), headers=headers)).raise_for_status()


async def _watched(bench: BenchSystem, side: Side) -> tuple[float, float]:
    """Return the seconds until nothing is left to do, and by how many MiB memory and /tmp grew at most."""
    worker = side.workers[-1]
    at_rest = resident(worker)
    peak = asyncio.create_task(_peak(worker, side.temporary))
    with Stopwatch() as watch:
        await bench.settle()
    peak.cancel()
    most = await peak
    return watch.seconds, (most - at_rest) / _MIB


def resident(worker: Worker) -> int:
    return sum(_field(pid, "VmRSS") for pid in worker.pids())


def _field(pid: int, name: str) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10
    return 0


async def _peak(worker: Worker, temporary: Path | None) -> int:
    """Return the most memory that the worker and the files in its /tmp took together, once cancelled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            files = 0
            if temporary is not None:
                for file in temporary.rglob("*"):
                    with contextlib.suppress(OSError):
                        files += file.stat().st_size if file.is_file() else 0
            most = max(most, resident(worker) + files)
            await asyncio.sleep(0.05)
    return most


def write_recording(file: Path, mebibytes: int) -> None:
    """Write a WAV file of silence, in CD quality."""
    with wave.open(str(file), "wb") as recording:
        recording.setnchannels(2)
        recording.setsampwidth(2)
        recording.setframerate(44_100)
        silence = bytes(_MIB)
        for _ in range(mebibytes):
            recording.writeframesraw(silence)
