"""How what Dropsight spends grows with the number of tasks: lists, look-ups, the work on a file, and a sweep.

Only the CPU time of the functions counts: the stand-in for Firestore is no measure of the service.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.endpoints import PROJECT
from local.layout import INBOX
from shared.cloud import document_wire
from shared.cloud.firestore import to_document
from tests.bench.bench_system import BenchSystem
from tests.bench.figures import Row, middle
from tests.bench.look_ups import cost_of, new_task_of, pending_task
from tests.bench.machine import cpu_seconds
from tests.environment import unchanged_environment

FEW = 1_000
_REQUESTS, _CONNECTIONS = 200, 4
"""Few connections: while the stand-in searches, requests must not pile up in the function."""
_FILES = 60
_BATCH = 500

Measure = Callable[[], Awaitable[float]]


async def growth(bench: BenchSystem, tasks: int, rounds: int) -> list[Row]:
    """CPU milliseconds with 1,000 tasks, and with `tasks`."""
    base = f"gs://{INBOX}/"
    paths = {
        "list": "/v1/tasks?limit=20",
        "list by folder": f"/v1/tasks?limit=20&prefix={base}folder-1/",
        "list by part of a name": f"/v1/tasks?limit=20&prefix={base}folder-1/file-00",
        "look-up": f"/v1/tasks/{await pending_task(bench)}",
    }
    measures: dict[str, Measure] = {name: partial(_request, bench, path) for name, path in paths.items()}
    measures |= {"a file, from its event to its files": partial(_file, bench), "a sweep": partial(_sweep, bench)}
    await _seed(bench, 0, FEW)
    few = await _measured(measures, rounds)
    await _seed(bench, FEW, tasks)
    many = await _measured(measures, rounds)
    what = f"from {FEW:,} to {tasks:,} tasks"
    return [Row(f"CPU of {name}, {what}", "ms", many[name], few[name], "≤ 1.2×") for name in measures]


async def _measured(measures: dict[str, Measure], rounds: int) -> dict[str, float]:
    """Return the medians of all measures, which take turns; the first of each is a warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds + 1):
        for name, measure in measures.items():
            value = await measure()
            if number > 0:
                taken[name].append(value)
    return {name: middle(values) for name, values in taken.items()}


async def _request(bench: BenchSystem, path: str) -> float:
    return await cost_of(bench, path, {}, _REQUESTS, _CONNECTIONS)


async def _file(bench: BenchSystem) -> float:
    before = bench.ours.cpu()
    await bench.drop(bench.ours, f"grown-{datetime.now(UTC).timestamp()}", _FILES)
    return (bench.ours.cpu() - before) / _FILES * 1000


async def _sweep(bench: BenchSystem) -> float:
    pids = bench.system.workers["sweep"].pids()
    before = cpu_seconds(pids)
    await bench.system.sweep({})
    return (cpu_seconds(pids) - before) * 1000


async def _seed(bench: BenchSystem, start: int, stop: int) -> None:
    """Create ended tasks in ten folders, each a second older than the one before."""
    with unchanged_environment():
        os.environ["FIRESTORE_EMULATOR_HOST"] = bench.system.endpoints.firestore
        client = firestore.AsyncClient(project=PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    now = datetime.now(UTC) - timedelta(days=1)
    for first in range(start, stop, _BATCH):
        batch = client.batch()
        for number in range(first, min(first + _BATCH, stop)):
            task = new_task_of(f"folder-{number % 10}/file-{number:06d}.txt", number, now - timedelta(seconds=number))
            ended = task.model_copy(update={"status": "failed", "open": False})
            path = client.collection("tasks").document(task.key)._document_path
            batch._add_write_pbs([document_wire.merge_write(path, to_document(ended), {})])
        await batch.commit()
