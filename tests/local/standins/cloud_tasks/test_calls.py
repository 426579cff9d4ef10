"""What the service accepts, refuses and remembers, through the real client."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    GoogleAPICallError,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
    ServiceUnavailable,
)
from google.cloud.tasks_v2 import Queue, Task
from google.protobuf import field_mask_pb2

from local.standins.faults import Fault
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from tests.local.standins.cloud_tasks.conftest import LOCATION, QUEUE, Make, Target, task, until

URL = "http://127.0.0.1:1/x"
LONG = "a" * 500


def _changed(**request: object) -> dict[str, Any]:
    return task(URL) | {"http_request": {"url": URL, **request}}


@pytest.mark.parametrize(
    "given",
    [
        task(URL, "with space"),
        task(URL, "a.b"),
        task(URL, "a" * 501),
        task(URL) | {"name": f"{LOCATION}/queues/other/tasks/t"},
        task(URL) | {"name": "t"},
        {"name": ""},
        task("ftp://127.0.0.1/x"),
        task("127.0.0.1/x"),
        task("http:///x"),
        task("http://127.0.0.1:99999/"),
        task(f"http://127.0.0.1/{'x' * 2083}"),
        _changed(http_method="GET", body=b"x"),
        _changed(http_method=99),
        _changed(headers={"bad header": "x"}),
        _changed(headers={"x": "a\nb"}),
        _changed(headers={"x": "a\x7fb"}),
        _changed(headers={f"x-{n}": "v" * 10_000 for n in range(8)}),
        _changed(body=b"x" * (1 << 20)),
        _changed(oidc_token={"audience": "https://fn"}),
        task(URL) | {"dispatch_deadline": timedelta(seconds=14)},
        task(URL) | {"dispatch_deadline": timedelta(minutes=30, seconds=1)},
        task(URL) | {"retry_config": {"max_attempts": -2}},
    ],
)
async def test_what_breaks_a_rule_is_an_invalid_argument(make: Make, given: dict[str, Any]) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    with pytest.raises(InvalidArgument):
        await bench.client.create_task(parent=QUEUE, task=given)
    assert [each async for each in await bench.client.list_tasks(parent=QUEUE)] == []


@pytest.mark.parametrize(
    "given",
    [
        {"app_engine_http_request": {"relative_uri": "/x"}},
        _changed(oauth_token={"service_account_email": "a@b"}),
    ],
)
async def test_what_is_not_served_says_so(make: Make, given: dict[str, Any]) -> None:
    bench = await make()
    with pytest.raises(MethodNotImplemented, match="not served here"):
        await bench.client.create_task(parent=QUEUE, task=given)


async def test_the_schedule_reaches_thirty_days_ahead_and_no_further(make: Make, clock: MovableClock) -> None:
    bench = await make()
    within = {"schedule_time": clock.now() + timedelta(days=30, seconds=-5)}
    await bench.client.create_task(parent=QUEUE, task=task(URL) | within)
    beyond = {"schedule_time": clock.now() + timedelta(days=30, seconds=60)}
    with pytest.raises(InvalidArgument, match="30 days"):
        await bench.client.create_task(parent=QUEUE, task=task(URL) | beyond)


async def test_a_schedule_in_the_past_becomes_now(make: Make, clock: MovableClock) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    before = {"schedule_time": clock.now() - timedelta(days=3)}
    made = await bench.client.create_task(parent=QUEUE, task=task(URL, LONG) | before)
    assert made.schedule_time.timestamp() == pytest.approx(clock.time(), abs=5)
    assert made.create_time.timestamp() == pytest.approx(clock.time(), abs=5)
    assert made.dispatch_deadline == timedelta(minutes=10)
    assert made.http_request.http_method.name == "POST"


async def test_an_unknown_queue_is_not_found(make: Make) -> None:
    bench = await make()
    with pytest.raises(NotFound):
        await bench.client.create_task(parent=f"{LOCATION}/queues/none", task=task(URL) | {"name": ""})
    with pytest.raises(NotFound):
        await bench.client.get_queue(name=f"{LOCATION}/queues/none")
    with pytest.raises(InvalidArgument):
        await bench.client.create_task(parent="work", task={"http_request": {"url": URL}})


async def test_a_name_is_taken_while_the_task_waits_and_for_an_hour_after_it_was_deleted(
    make: Make, clock: MovableClock
) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    await bench.client.create_task(parent=QUEUE, task=task(URL, "t-1"))
    with pytest.raises(AlreadyExists):
        await bench.client.create_task(parent=QUEUE, task=task(URL, "t-1"))
    await bench.client.delete_task(name=f"{QUEUE}/tasks/t-1")
    clock.advance(3590)
    with pytest.raises(AlreadyExists):
        await bench.client.create_task(parent=QUEUE, task=task(URL, "t-1"))
    clock.advance(20)
    await bench.client.create_task(parent=QUEUE, task=task(URL, "t-1"))


async def test_a_name_is_taken_for_an_hour_after_the_task_was_executed(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make()
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    await target.received(1)
    await until(bench.standin.idle)
    with pytest.raises(AlreadyExists):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    clock.advance(3601)
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    await target.received(2)


async def test_a_task_deleted_while_it_runs_does_not_come_back(make: Make, target: Target) -> None:
    bench = await make(min_backoff=0.01)
    target.answers["/go"] = [500]
    target.gate.clear()
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go", "t-1"))
    await target.received(1)
    await bench.client.delete_task(name=f"{QUEUE}/tasks/t-1")
    target.gate.set()
    await until(lambda: bench.standin.in_flight() == 0)
    assert bench.standin.next_due() is None


async def test_the_body_is_shown_in_the_full_view_only(make: Make) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    await bench.client.create_task(parent=QUEUE, task=task(URL, "t-1", body=b"secret"))
    name = f"{QUEUE}/tasks/t-1"
    basic = await bench.client.get_task(name=name)
    full = await bench.client.get_task(request={"name": name, "response_view": Task.View.FULL})
    assert (basic.http_request.body, basic.view) == (b"", Task.View.BASIC)
    assert (full.http_request.body, full.view) == (b"secret", Task.View.FULL)
    with pytest.raises(NotFound):
        await bench.client.get_task(name=f"{QUEUE}/tasks/t-2")
    with pytest.raises(NotFound):
        await bench.client.run_task(name=f"{QUEUE}/tasks/t-2")


async def test_tasks_are_listed_page_by_page(make: Make) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    for number in range(7):
        await bench.client.create_task(parent=QUEUE, task=task(URL, f"t-{number}"))
    pager = await bench.client.list_tasks(request={"parent": QUEUE, "page_size": 3})
    pages = [[each.name.rpartition("-")[-1] for each in page.tasks] async for page in pager.pages]
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    with pytest.raises(InvalidArgument):
        await bench.client.list_tasks(request={"parent": QUEUE, "page_size": 1001})
    with pytest.raises(InvalidArgument):
        await bench.client.list_tasks(request={"parent": QUEUE, "page_token": "é"})


async def test_purging_empties_the_queue_and_blocks_the_names(make: Make, target: Target) -> None:
    bench = await make()
    await bench.client.pause_queue(name=QUEUE)
    for number in range(5):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, f"t-{number}"))
    purged = await bench.client.purge_queue(name=QUEUE)
    assert purged.purge_time is not None
    await bench.client.resume_queue(name=QUEUE)
    assert [each async for each in await bench.client.list_tasks(parent=QUEUE)] == []
    with pytest.raises(AlreadyExists):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    assert target.deliveries == []


async def test_queues_are_made_changed_listed_and_deleted(make: Make, target: Target) -> None:
    bench = await make()
    name = f"{LOCATION}/queues/notify"
    made = await bench.client.create_queue(parent=LOCATION, queue={"name": name})
    assert made.state == Queue.State.RUNNING
    assert (made.rate_limits.max_dispatches_per_second, made.rate_limits.max_burst_size) == (500, 100)
    assert made.rate_limits.max_concurrent_dispatches == 1000
    assert (made.retry_config.max_attempts, made.retry_config.max_doublings) == (100, 16)
    assert made.retry_config.min_backoff == timedelta(seconds=0.1)
    assert made.retry_config.max_backoff == timedelta(hours=1)
    with pytest.raises(AlreadyExists):
        await bench.client.create_queue(parent=LOCATION, queue={"name": name})
    mask = field_mask_pb2.FieldMask(paths=["retry_config.max_attempts", "state"])
    changed = await bench.client.update_queue(
        queue={"name": name, "retry_config": {"max_attempts": 3}, "state": Queue.State.PAUSED}, update_mask=mask
    )
    assert (changed.retry_config.max_attempts, changed.state) == (3, Queue.State.RUNNING)
    assert changed.rate_limits.max_dispatches_per_second == 500
    assert [queue.name async for queue in await bench.client.list_queues(parent=LOCATION)] == [name, QUEUE]
    await bench.client.delete_queue(name=name)
    with pytest.raises(NotFound):
        await bench.client.create_task(parent=name, task={"http_request": {"url": target.url}})


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_limits": {"max_dispatches_per_second": 501}},
        {"rate_limits": {"max_concurrent_dispatches": 5001}},
        {"retry_config": {"max_attempts": -2}},
        {"retry_config": {"min_backoff": timedelta(seconds=9), "max_backoff": timedelta(seconds=8)}},
        {"name": f"{LOCATION}/queues/under_score"},
        {"name": f"{LOCATION}/queues/{'a' * 101}"},
        {"name": "projects/other/locations/here/queues/a"},
    ],
)
async def test_a_queue_beyond_the_limits_is_refused(make: Make, wrong: dict[str, Any]) -> None:
    bench = await make()
    with pytest.raises(InvalidArgument):
        await bench.client.create_queue(parent=LOCATION, queue={"name": f"{LOCATION}/queues/new"} | wrong)


async def test_an_update_that_names_an_unknown_field_is_refused(make: Make) -> None:
    bench = await make()
    mask = field_mask_pb2.FieldMask(paths=["nonsense"])
    with pytest.raises(InvalidArgument):
        await bench.client.update_queue(queue={"name": QUEUE}, update_mask=mask)


async def test_a_planted_fault_meets_the_call(make: Make, target: Target, tap: Tap) -> None:
    bench = await make()
    tap.faults.add(
        [
            Fault(service="queue", match="CreateTask", times=1, status=503),
            Fault(service="queue", match="CreateTask", times=1, drop="after"),
        ]
    )
    errors: list[type[GoogleAPICallError]] = []
    for _ in range(3):
        try:
            await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"), retry=None)
        except GoogleAPICallError as error:
            errors.append(type(error))
    assert errors == [ServiceUnavailable, ServiceUnavailable, AlreadyExists], "the dropped call had taken effect"
    await target.received(1)
