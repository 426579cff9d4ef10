"""Dispatches by name through the real client: never the same one twice, each at its time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions as api_errors

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.queue import Dispatches, Queue, lease_end
from shared.domain.tasks import claims
from shared.domain.tasks.task import Source, Task, new_task

PATH = "projects/test/locations/here/queues/work"
URL = "http://127.0.0.1:9/generate"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def queue(clock: MovableClock, tap: Tap) -> AsyncIterator[Queue]:
    """It is paused: what is on it stays there to be looked at."""
    stand_in = QueueStandIn(clock=clock, data=None, tap=tap, sign=lambda email, audience: "", queues=[QueueSpec(PATH)])
    endpoint = f"127.0.0.1:{await stand_in.start()}"
    queue = Queue(path=PATH, url=URL, invoker="invoker@test", endpoint=endpoint)
    client: Any = queue._client
    await client.pause_queue(name=PATH)
    yield queue
    await client.transport.close()
    await stand_in.stop()


@pytest.fixture
def task() -> Task:
    source = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
    return new_task(source, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))


async def on_the_queue(queue: Queue) -> dict[str, Any]:
    """By the end of their names."""
    client: Any = queue._client
    pages = await client.list_tasks(request={"parent": PATH, "response_view": 2})
    return {page.name.rsplit("/", 1)[1]: page async for page in pages}


async def test_a_dispatch_says_which_task_and_epoch_it_is_for_and_who_calls(queue: Queue, task: Task) -> None:
    assert await Dispatches(queue).enqueue(task)
    ((name, found),) = (await on_the_queue(queue)).items()
    assert name == f"{task.key}-0"
    assert json.loads(found.http_request.body) == {"task": task.id, "epoch": 0}
    assert (found.http_request.url, found.http_request.oidc_token.audience) == (URL, URL)
    assert found.http_request.oidc_token.service_account_email == "invoker@test"
    assert found.dispatch_deadline == timedelta(minutes=30)


async def test_the_same_name_is_put_once(queue: Queue, task: Task) -> None:
    dispatches = Dispatches(queue)
    assert [await dispatches.enqueue(task), await dispatches.enqueue(task)] == [True, False]
    assert await dispatches.enqueue(task, epoch=1)
    assert await dispatches.enqueue(task, suffix="cancelled")
    assert set(await on_the_queue(queue)) == {f"{task.key}-0", f"{task.key}-1", f"{task.key}-0-cancelled"}


async def test_a_dispatch_waits_for_its_time(queue: Queue, task: Task, clock: MovableClock) -> None:
    at = clock.now() + timedelta(hours=6)
    await Dispatches(queue).enqueue(task, at=at)
    (found,) = (await on_the_queue(queue)).values()
    assert found.schedule_time == at


async def test_whether_a_dispatch_waits_is_told_by_the_tasks_epoch(queue: Queue, task: Task) -> None:
    dispatches = Dispatches(queue)
    assert not await dispatches.is_enqueued(task)
    await dispatches.enqueue(task)
    assert await dispatches.is_enqueued(task)
    assert not await dispatches.is_enqueued(claims.redispatch(task, at=NOW))


async def test_a_dispatch_whose_answer_was_lost_is_there_once(queue: Queue, task: Task, tap: Tap) -> None:
    dispatches = Dispatches(queue)
    tap.faults.add([Fault(service="queue", match="CreateTask", times=1, drop="after")])
    assert not await dispatches.enqueue(task)
    assert list(await on_the_queue(queue)) == [f"{task.key}-0"]


async def test_a_dispatch_is_sent_again_while_the_queue_is_unavailable_for_a_moment(
    queue: Queue, task: Task, tap: Tap
) -> None:
    tap.faults.add([Fault(service="queue", match="CreateTask", times=3, status=503)])
    assert await Dispatches(queue).enqueue(task)
    assert list(await on_the_queue(queue)) == [f"{task.key}-0"]


async def test_a_refused_dispatch_is_not_sent_again(queue: Queue, task: Task, tap: Tap) -> None:
    tap.faults.add([Fault(service="queue", match="CreateTask", times=1, status=403)])
    with pytest.raises(api_errors.PermissionDenied):
        await Dispatches(queue).enqueue(task)
    assert await on_the_queue(queue) == {}


def test_each_lease_has_a_name_of_its_own_for_the_dispatch_that_comes_back(task: Task) -> None:
    lease = timedelta(seconds=60)
    held = claims.claim(task, now=NOW, lease=lease)
    renewed = claims.renew(held, 1, now=NOW + lease / 3, lease=lease)
    taken = claims.claim(held, now=NOW + lease, lease=lease)
    names = [lease_end(each) for each in (held, renewed, taken)]
    assert len(set(names)) == 3
    assert names[0] == f"1-{int(NOW.timestamp()) + 60}"
