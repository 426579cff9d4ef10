"""Look-ups of tasks at 64 connections, and 500 readers of one stream.

What is compared is the CPU time of the function's process for each request: on a machine that also runs the stand-ins
and the clients, requests per second say little about a function.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import httpx2

from local.endpoints import PROJECT
from local.layout import INBOX
from local.workers import ROOT
from shared.cloud.firestore import Tasks
from shared.domain.tasks.task import Source, Task, new_task
from tests.bench.bench_system import CONCURRENCY, BenchSystem
from tests.bench.figures import Row, agree, middle
from tests.bench.machine import cpu_seconds
from tests.environment import unchanged_environment

_REQUESTS = 1000
_READERS = 500
_READ_SECONDS = 5.0


async def look_ups(bench: BenchSystem, rounds: int) -> list[Row]:
    await bench.drop(bench.ours, "looked-up", 1)
    await bench.drop(bench.baseline, "looked-up", 1)
    base = await bench.look_up_worker()
    theirs = f"{base}/?name=looked-up-0.txt"
    async with _api(bench) as client:
        listed = (await client.get("/v1/tasks", params={"object": f"gs://{INBOX}/looked-up-0.txt"})).json()
        ended = f"/v1/tasks/{listed['data'][0]['id']}"
        pending = f"/v1/tasks/{await pending_task(bench)}"
        tag = {"If-None-Match": (await client.get(pending)).headers["ETag"]}
    taken: dict[str, list[float]] = {"ended": [], "pending": [], "unchanged": [], "baseline": []}
    reads: dict[str, float] = {}
    for _ in range(rounds):
        if agree(*taken.values()):
            break
        for name, path, headers in (("ended", ended, {}), ("pending", pending, {}), ("unchanged", pending, tag)):
            before = _reads(bench)
            taken[name].append(await cost_of(bench, path, headers))
            reads[name] = (_reads(bench) - before) / _REQUESTS
        taken["baseline"].append(await _cost_of_url(theirs, {}, _pids_of(base), _REQUESTS))
    ended_ms, pending_ms, unchanged_ms, theirs_ms = (middle(values) for values in taken.values())
    return [
        Row("CPU of a look-up, ended task", "ms", ended_ms, theirs_ms, "≤ 0.25×"),
        Row("Firestore reads of it", "", reads["ended"], 1.0, "≤ 0"),
        Row("CPU of a look-up, pending task", "ms", pending_ms, theirs_ms, "≤ 0.67×"),
        Row("Firestore reads of it", "", reads["pending"], 1.0, "≤ 1"),
        Row("CPU of a 304 against a 200, pending task", "ms", unchanged_ms, pending_ms, "≤ 0.5×"),
        await _readers(bench),
    ]


def _api(bench: BenchSystem) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=bench.system.endpoints.api, headers=_authorized(bench), timeout=60)


def _authorized(bench: BenchSystem) -> dict[str, str]:
    return {"Authorization": f"Bearer {bench.system.endpoints.api_key}"}


def _reads(bench: BenchSystem) -> int:
    return bench.system.tap.ledger.stats().get("firestore", {}).get("reads", 0)


async def cost_of(
    bench: BenchSystem, path: str, headers: dict[str, str], count: int = _REQUESTS, connections: int = CONCURRENCY
) -> float:
    """Return milliseconds of CPU time for each request, sent past the front door."""
    api = bench.system.workers["api"]
    return await _cost_of_url(
        f"{await api.url()}{path}", {**_authorized(bench), **headers}, api.pids(), count, connections
    )


async def _cost_of_url(
    url: str, headers: dict[str, str], pids: list[int], count: int, connections: int = CONCURRENCY
) -> float:
    before = cpu_seconds(pids)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.load", url, str(count), str(connections),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await process.communicate(json.dumps(headers).encode())
    if process.returncode != 0:
        raise SystemExit(f"the requests to {url} failed")
    return (cpu_seconds(pids) - before) / count * 1000


def _pids_of(url: str) -> list[int]:
    """Return the processes that listen at a URL of this machine: gunicorn's master and its worker."""
    import psutil

    port = httpx2.URL(url).port
    listening = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid
    }
    return sorted(listening)


async def _readers(bench: BenchSystem) -> Row:
    """CPU seconds of api for each second with 500 readers on one stream."""
    task = await pending_task(bench)
    api = bench.system.workers["api"]
    url = f"{await api.url()}/v1/llm/generations/{task}/stream"
    async with httpx2.AsyncClient(
        headers=_authorized(bench), timeout=60, limits=httpx2.Limits(max_connections=None)
    ) as client:

        async def read() -> None:
            async with client.stream("GET", url) as answer:
                async for _ in answer.aiter_bytes():
                    pass

        reading = [asyncio.create_task(read()) for _ in range(_READERS)]
        await asyncio.sleep(_READ_SECONDS)
        before = cpu_seconds(api.pids())
        await asyncio.sleep(_READ_SECONDS)
        used = (cpu_seconds(api.pids()) - before) / _READ_SECONDS
        for task_of_reader in reading:
            task_of_reader.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return Row(f"CPU share with {_READERS} readers of one stream", "", used)


async def pending_task(bench: BenchSystem) -> str:
    with unchanged_environment():
        os.environ["FIRESTORE_EMULATOR_HOST"] = bench.system.endpoints.firestore
        tasks = Tasks(PROJECT, "(default)")
    task = new_task_of("waiting.txt", int(asyncio.get_running_loop().time() * 1000), datetime.now(UTC))
    await tasks.create(task.model_copy(update={"stream": True}))
    return task.id


def new_task_of(name: str, generation: int, created_at: datetime) -> Task:
    source = Source(
        kind="object", bucket=INBOX, name=name, generation=generation, created_at=created_at, size=3
    )  # fmt: skip
    return new_task(source, owner=f"inbox:{INBOX}", model="m", now=created_at, keep=timedelta(days=30))
