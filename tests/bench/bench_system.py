"""One local system with the baseline beside it, on the same stand-ins."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from local import screen
from local.layout import INBOX
from local.system import LocalSystem, Options
from local.workers import ROOT, Worker
from tests.bench.machine import cpu_seconds

BASELINE_INBOX, EQUAL_INBOX = "baseline-inbox", "baseline-equal-inbox"
CONCURRENCY = 64
_BASELINE = ROOT / "tests" / "bench" / "baseline.py"
_DEADLINE_SECONDS = 600.0


@dataclass(frozen=True)
class Side:
    """One of what is compared: where its files are dropped, and the functions that work on them."""

    name: str
    inbox: str
    workers: tuple[Worker, ...]
    temporary: Path | None = None
    """The folder that stands for its /tmp, which is memory on Cloud Run."""

    def cpu(self) -> float:
        return cpu_seconds(pid for worker in self.workers for pid in worker.pids())


class BenchSystem:
    """`async with BenchSystem(folder) as bench:`; `ours`, `baseline` (its default of threads) and `equal` (64)."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stack = folder, AsyncExitStack()
        self.completed_at: list[float] = []
        """When our functions logged the end of each task, by the monotonic clock."""

    async def __aenter__(self) -> Self:
        options = Options(port_base=0, queue_concurrency=CONCURRENCY)
        self.system = await self._stack.enter_async_context(LocalSystem(options, self._report))
        system = self.system
        self.ours = Side("Dropsight", INBOX, (system.workers["ingest"], system.workers["generate"]))
        self.baseline = await self._baseline(BASELINE_INBOX, {})
        self.equal = await self._baseline(EQUAL_INBOX, {"THREADS": str(CONCURRENCY)})
        for side in (self.ours, self.baseline, self.equal):
            await self.drop(side, "warm-up", 2 * CONCURRENCY)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _baseline(self, inbox: str, threads: dict[str, str]) -> Side:
        import httpx2

        temporary = self._folder / inbox
        temporary.mkdir()
        environment = {**self.system.worker_environment(), "TMPDIR": str(temporary), **threads}
        worker = Worker("understand", environment, self._report, event=True, source=_BASELINE)
        self._stack.push_async_callback(worker.stop)
        async with httpx2.AsyncClient(base_url=self.system.endpoints.storage) as client:
            (await client.post("/storage/v1/b", json={"name": inbox})).raise_for_status()
        self.system.storage.subscribe(inbox, {"finalized"}, await worker.url(), name=inbox, concurrency=CONCURRENCY)
        return Side("baseline", inbox, (worker,), temporary)

    async def look_up_worker(self) -> str:
        """Start the baseline's function for look-ups, and return its URL."""
        worker = Worker("look_up", self.system.worker_environment(), self._report, source=_BASELINE)
        self._stack.push_async_callback(worker.stop)
        return await worker.url()

    async def drop(self, side: Side, prefix: str, count: int) -> None:
        """Drop small files from another process, and return once all are answered and nothing is left to do."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.drop", self.system.endpoints.storage, side.inbox, prefix, str(count),
            cwd=ROOT,
        )  # fmt: skip
        if await process.wait() != 0:
            raise SystemExit("the files could not be dropped")
        await self.settle()

    async def settle(self) -> None:
        """Wait until every event is delivered and no function works."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self.system.storage.pending() or self.system.is_busy():
            if time.monotonic() > deadline:
                raise SystemExit(f"not done after {_DEADLINE_SECONDS:.0f} s")
            await asyncio.sleep(0.02)

    def _report(self, function: str, record: dict[str, object]) -> None:
        if record.get("action") == "task_completed":
            self.completed_at.append(time.monotonic())
        if record.get("severity") in ("ERROR", "CRITICAL"):
            screen.print_error(f"{function}: {json.dumps(record)}")
