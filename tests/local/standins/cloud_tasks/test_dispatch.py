"""What arrives at the target, how often, and what counts as done."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import grpc
import pytest
from google.api_core.exceptions import NotFound
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from local.standins.faults import Fault
from local.standins.oidc import Issuer
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from tests.local.standins.cloud_tasks.conftest import QUEUE, Client, Make, Target, task, until


async def test_a_created_task_is_delivered_at_once_with_the_headers_of_cloud_tasks(make: Make, target: Target) -> None:
    bench = await make()
    given = task(f"{target.url}/go?x=1&y=%20", "t-1", body=b"{}", headers={"Content-Type": "application/json"})
    answer = await bench.client.create_task(parent=QUEUE, task=given)
    [delivery] = await target.received(1)
    assert answer.name == f"{QUEUE}/tasks/t-1"
    assert (delivery.method, delivery.path, delivery.query, delivery.body) == ("POST", "/go", "x=1&y=%20", b"{}")
    headers = delivery.headers
    assert headers["user-agent"] == "Google-Cloud-Tasks"
    assert headers["content-type"] == "application/json"
    assert headers["x-cloudtasks-queuename"] == "work"
    assert headers["x-cloudtasks-taskname"] == "t-1"
    assert headers["x-cloudtasks-taskretrycount"] == headers["x-cloudtasks-taskexecutioncount"] == "0"
    assert float(headers["x-cloudtasks-tasketa"]) == pytest.approx(delivery.at, abs=30)
    assert "x-cloudtasks-taskpreviousresponse" not in headers


async def test_an_executed_task_is_gone(make: Make, target: Target) -> None:
    bench = await make()
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    await target.received(1)
    await until(bench.standin.idle)
    with pytest.raises(NotFound):
        await bench.client.get_task(name=f"{QUEUE}/tasks/t-1")


async def test_the_synchronous_client_is_served_too(make: Make, target: Target) -> None:
    bench = await make()
    with grpc.insecure_channel(bench.address) as channel:
        client: Client = CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        answer = await asyncio.to_thread(client.create_task, parent=QUEUE, task=task(f"{target.url}/sync"))
    assert re.fullmatch(rf"{QUEUE}/tasks/\d+", answer.name)
    await target.received(1)


async def test_headers_that_belong_to_the_service_cannot_be_set(make: Make, target: Target) -> None:
    bench = await make()
    forged = {
        "User-Agent": "me",
        "Host": "elsewhere",
        "X-CloudTasks-TaskRetryCount": "9",
        "X-Google-Y": "1",
        "X-Mine": " 1 ",
    }
    await bench.client.create_task(parent=QUEUE, task=task(target.url, headers=forged))
    [delivery] = await target.received(1)
    assert delivery.headers["user-agent"] == "Google-Cloud-Tasks"
    assert delivery.headers["host"] in target.url
    assert delivery.headers["x-cloudtasks-taskretrycount"] == "0"
    assert "x-google-y" not in delivery.headers
    assert delivery.headers["x-mine"] == "1"


async def test_every_method_is_sent_as_it_was_asked_for(make: Make, target: Target) -> None:
    bench = await make()
    for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/{method}", http_method=method))
    deliveries = await target.received(6)
    assert {(delivery.method, delivery.path.strip("/")) for delivery in deliveries} == {
        (method, method) for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
    }


async def test_the_oidc_token_proves_the_service_account_to_the_audience(
    make: Make, target: Target, issuer: Issuer
) -> None:
    bench = await make()
    account = "runner@local.iam.gserviceaccount.com"
    for token in ({"service_account_email": account}, {"service_account_email": account, "audience": "https://fn"}):
        await bench.client.create_task(
            parent=QUEUE, task=task(f"{target.url}/go", oidc_token=token, headers={"authorization": "mine"})
        )
    claims = [
        issuer.verify(delivery.headers["authorization"].removeprefix("Bearer "), {f"{target.url}/go", "https://fn"})
        for delivery in await target.received(2)
    ]
    assert {claim["aud"] for claim in claims} == {f"{target.url}/go", "https://fn"}
    assert {claim["email"] for claim in claims} == {account}


async def test_any_2xx_is_success_and_a_redirect_is_not(make: Make, target: Target) -> None:
    bench = await make()
    target.answers = {"/204": [204], "/302": [302]}
    for path in ("204", "302"):
        await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/{path}", f"t-{path}"))
    await target.received(3)
    left = [each.name async for each in await bench.client.list_tasks(parent=QUEUE)]
    assert left == [f"{QUEUE}/tasks/t-302"]


async def test_a_failed_attempt_is_repeated_and_says_what_went_wrong_before(make: Make, target: Target) -> None:
    bench = await make(min_backoff=0.01)
    target.answers["/go"] = [500, 200]
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go"))
    headers = (await target.received(2))[1].headers
    assert headers["x-cloudtasks-taskretrycount"] == headers["x-cloudtasks-taskexecutioncount"] == "1"
    assert headers["x-cloudtasks-taskpreviousresponse"] == "500"
    assert headers["x-cloudtasks-taskretryreason"] == "HTTP status code 500"


async def test_a_target_that_cannot_be_reached_is_tried_again(make: Make, clock: MovableClock, tap: Tap) -> None:
    bench = await make(min_backoff=10)
    await bench.client.create_task(parent=QUEUE, task=task("http://127.0.0.1:1/nobody", "t-1"))
    await until(lambda: tap.ledger.stats().get("queue", {}).get("dispatches") == 1 and bench.standin.idle())
    waiting = await bench.client.get_task(name=f"{QUEUE}/tasks/t-1")
    assert waiting.dispatch_count == 1
    assert waiting.response_count == 0
    assert waiting.last_attempt.response_status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    clock.advance(10)
    await until(lambda: tap.ledger.stats().get("queue", {}).get("dispatches") == 2)


async def test_an_attempt_past_its_deadline_is_given_up_and_repeated(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make(min_backoff=5)
    target.gate.clear()
    given = task(f"{target.url}/slow", "t-1") | {"dispatch_deadline": timedelta(seconds=15)}
    await bench.client.create_task(parent=QUEUE, task=given)
    await target.received(1)
    clock.advance(16)
    await until(lambda: bench.standin.in_flight() == 0)
    waiting = await bench.client.get_task(name=f"{QUEUE}/tasks/t-1")
    assert waiting.last_attempt.response_status.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    clock.advance(5)
    await target.received(2)


async def test_duplicates_deliver_more_than_once_and_execute_the_task_once(make: Make, target: Target) -> None:
    bench = await make(duplicates=2)
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    deliveries = await target.received(3)
    await until(bench.standin.idle)
    assert [delivery.headers["x-cloudtasks-taskname"] for delivery in deliveries] == ["t-1"] * 3
    bench.standin.duplicate(0)
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-2"))
    await target.received(4)
    await until(bench.standin.idle)
    assert len(target.deliveries) == 4


async def test_a_planted_status_is_taken_for_the_answer_without_a_call(
    make: Make, target: Target, tap: Tap, clock: MovableClock
) -> None:
    bench = await make(min_backoff=0.01)
    tap.faults.add([Fault(service="queue", match="DISPATCH", times=1, status=500, retry_delay=60)])
    await bench.client.create_task(parent=QUEUE, task=task(target.url, "t-1"))
    await until(lambda: bool(tap.ledger.stats().get("queue")) and bench.standin.idle())
    assert target.deliveries == []
    assert bench.standin.next_due() == pytest.approx(clock.time() + 60, abs=5)
    clock.advance(60)
    await target.received(1)


async def test_a_dispatch_dropped_after_it_took_effect_is_delivered_again(make: Make, target: Target, tap: Tap) -> None:
    bench = await make(min_backoff=0.01)
    tap.faults.add([Fault(service="queue", match="/go", times=1, drop="after")])
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go"))
    first, second = await target.received(2)
    assert (first.headers["x-cloudtasks-taskretrycount"], second.headers["x-cloudtasks-taskretrycount"]) == ("0", "1")


async def test_the_ledger_tells_calls_and_dispatches(make: Make, target: Target, tap: Tap) -> None:
    bench = await make()
    await bench.client.create_task(parent=QUEUE, task=task(f"{target.url}/go", "t-1"))
    await target.received(1)
    await until(bench.standin.idle)
    created, dispatched = tap.ledger.calls("queue")
    assert (created["method"], created["status"], created["task"]) == ("CreateTask", "OK", "t-1")
    assert (dispatched["method"], dispatched["path"]) == ("DISPATCH", f"{target.url}/go")
    assert (dispatched["status"], dispatched["task"]) == (200, "t-1")
    assert tap.ledger.stats()["queue"]["dispatches"] == 1


async def test_lost_dispatches_never_arrive_and_their_names_stay_blocked(
    make: Make, target: Target, clock: MovableClock
) -> None:
    bench = await make()
    later = {"schedule_time": clock.now() + timedelta(minutes=5)}
    for name in ("a-1", "a-2", "b-1"):
        await bench.client.create_task(parent=QUEUE, task=task(target.url, name) | later)
    assert bench.standin.lose("/tasks/a-") == 2
    clock.advance(400)
    [delivery] = await target.received(1)
    await until(bench.standin.idle)
    assert delivery.headers["x-cloudtasks-taskname"] == "b-1"
    assert bench.standin.next_due() is None
