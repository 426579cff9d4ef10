"""A queue service whose disk is full: it keeps what it acknowledged, and acknowledges only what it can keep."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from google.api_core.exceptions import AlreadyExists, NotFound, ServiceUnavailable

from shared.clock import MovableClock
from tests.local.standins.cloud_tasks.conftest import QUEUE, Make, Target, task, until
from tests.local.standins.full_disk import full_disk


async def test_a_task_that_cannot_be_kept_is_not_acknowledged(make: Make, target: Target, tmp_path: Path) -> None:
    bench = await make(tmp_path / "queue")
    with full_disk(), pytest.raises(ServiceUnavailable, match="could not be kept"):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, "refused"))
    with pytest.raises(NotFound):
        await bench.client.get_task(name=f"{QUEUE}/tasks/refused")
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "refused"))
    await target.received(1)


async def test_a_task_is_not_deleted_where_that_cannot_be_kept(
    make: Make, target: Target, clock: MovableClock, tmp_path: Path
) -> None:
    bench = await make(tmp_path / "queue")
    later = {"schedule_time": clock.now() + timedelta(hours=1)}
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t") | later)
    with full_disk(), pytest.raises(ServiceUnavailable):
        await bench.client.delete_task(name=f"{QUEUE}/tasks/t", retry=None)
    assert (await bench.client.get_task(name=f"{QUEUE}/tasks/t")).name
    clock.advance(3601)
    await target.received(1)


async def test_dispatching_goes_on_while_the_disk_is_full(
    make: Make, target: Target, clock: MovableClock, tmp_path: Path
) -> None:
    bench = await make(tmp_path / "queue", min_backoff=0.1)
    target.answers["/fails-once"] = [500, 200]
    later = {"schedule_time": clock.now() + timedelta(hours=1)}
    for number in range(5):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, f"t-{number}") | later)
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/fails-once", "twice") | later)
    with full_disk():
        clock.advance(3601)
        await target.received(7)
        await until(bench.standin.idle)
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "after"))
    await target.received(8)
    await until(bench.standin.idle)
    await bench.standin.stop()

    again = await make(tmp_path / "queue")
    assert [each async for each in await again.client.list_tasks(parent=QUEUE)] == []
    with pytest.raises(AlreadyExists):
        await again.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    assert len(target.deliveries) == 8
