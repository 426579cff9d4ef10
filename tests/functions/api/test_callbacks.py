"""Callbacks: signed, retried while that may help, and told apart by how they failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.serve import HttpServer
from shared.cloud.callbacks import Attempt
from shared.domain.tasks.task import Callback
from tests.environment import CALLBACK_SECRET
from tests.functions.api.conftest import RESULTS, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class Receiver:
    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope, receive)
        self.calls.append((dict(asked.headers), await asked.body()))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        await Response(b"", status)(scope, receive, send)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = HttpServer(receiver.app)
    receiver.url = f"http://127.0.0.1:{await server.start()}/hook"
    yield receiver
    await server.stop()


async def wait_for_callback(
    system: System, secret: str, url: str, until: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The task, once its callback stands as wanted. The clock is moved where an attempt waits for its backoff."""
    async with system.client(secret) as client, asyncio.timeout(60):
        task = (await client.post("/v1/llm/generations", json=request(callback_url=url))).json()
        while True:
            shown = (await client.get(f"/v1/tasks/{task['id']}")).json()
            if shown["status"] == "completed" and until(shown["callback"]):
                return dict(shown)
            due = system.queue.next_due()
            if shown["callback"]["attempts"] and due is not None and due > system.clock.time():
                system.clock.advance(due - system.clock.time())
            await asyncio.sleep(0.05)


async def test_a_callback_carries_the_whole_task_and_a_signature_that_verifies(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RoadTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return system.clock.now()

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", RoadTime)
    secret = await system.key("called-back")
    task = await wait_for_callback(system, secret, receiver.url, lambda callback: callback["state"] == "delivered")
    [(headers, body)] = receiver.calls
    delivered = json.loads(body)
    assert Webhook(CALLBACK_SECRET).verify(body, headers) == delivered
    with pytest.raises(WebhookVerificationError):
        Webhook(CALLBACK_SECRET).verify(body.replace(b"completed", b"faileddd"), headers)
    assert (delivered["id"], delivered["status"], delivered["results"]) == (task["id"], "completed", task["results"])
    assert task["callback"]["last_status"] == 200


async def test_a_receiver_that_is_busy_is_tried_again_with_the_same_id(system: System, receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 200]
    secret = await system.key("patient")
    task = await wait_for_callback(system, secret, receiver.url, lambda callback: callback["state"] == "delivered")
    ids = [headers["webhook-id"] for headers, _ in receiver.calls]
    stamps = [headers["webhook-timestamp"] for headers, _ in receiver.calls]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert stamps[0] != stamps[-1]
    assert task["callback"]["attempts"] == 3


@pytest.mark.parametrize(("status", "state"), [(404, "refused"), (410, "disabled"), (302, "refused")])
async def test_a_receiver_that_refuses_is_not_asked_again(
    system: System, receiver: Receiver, status: int, state: str
) -> None:
    receiver.statuses = [status]
    secret = await system.key(f"refused-{status}")
    task = await wait_for_callback(system, secret, receiver.url, lambda callback: callback["state"] == state)
    await system.quiet()
    assert len(receiver.calls) == 1
    assert task["callback"]["last_status"] == status


async def test_a_dead_receiver_is_told_apart_from_a_refusing_one_after_a_day(system: System) -> None:
    secret = await system.key("dead")
    url = "http://127.0.0.1:9/hook"
    task = await wait_for_callback(system, secret, url, lambda callback: callback["state"] != "pending")
    assert task["callback"]["state"] == "unreachable"
    assert task["callback"]["last_status"] is None
    assert task["callback"]["attempts"] > 2


async def test_a_callback_address_that_leads_inside_is_refused_at_once(system: System) -> None:
    async with system.client(await system.key("inside")) as client:
        for url in ("https://169.254.169.254/", "https://10.0.0.1/x", "ftp://example.com/", "https://a.internal/"):
            answer = await client.post("/v1/llm/generations", json=request(callback_url=url))
            assert (answer.status_code, answer.json()["error"]["param"]) == (422, "callback_url")


async def test_a_token_goes_to_googles_own_end_points_and_needs_a_callback(system: System) -> None:
    async with system.client(await system.key("authorized")) as client:
        wrong = [
            {"callback_url": "https://example.com/hook", "callback_auth": "google"},
            {"callback_url": "https://firestore.googleapis.com/v1/projects/p", "callback_auth": "google"},
            {"callback_auth": "google"},
            {"callback_url": "https://a.run.app/", "callback_auth": "basic"},
        ]
        for fields in wrong:
            answer = await client.post("/v1/llm/generations", json=request(**fields))
            assert (answer.status_code, answer.json()["error"]["param"]) == (422, "callback_auth")
        fields = {"callback_url": "http://127.0.0.1:9/ended", "callback_auth": "google"}
        task = (await client.post("/v1/llm/generations", json=request(**fields))).json()
        assert task["callback"]["auth"] == "google"
        plain = (await client.post("/v1/llm/generations", json=request(callback_url="http://127.0.0.1:9/"))).json()
        assert "auth" not in plain["callback"]
        for made in (task, plain):
            await client.post(f"/v1/tasks/{made['id']}/cancel")


async def test_a_secret_in_the_callbacks_url_reaches_its_receiver_and_nobody_else(
    system: System, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor do refusals repeat it; a path is shown, since it tells receivers apart."""
    planted = "hush-9c1f"
    secret = await system.key("hushed")
    url = f"{receiver.url}?token={planted}#{planted}"
    task = await wait_for_callback(system, secret, url, lambda callback: callback["state"] == "delivered")
    await system.quiet()
    place = f"/v1/tasks/{task['id']}"
    async with system.client(secret) as client:
        delivered = [
            await client.get(place),
            await client.get("/v1/tasks"),
            await client.post(f"{place}/cancel"),
            await client.post(f"{place}/rerun", json={"callback_url": url, "seed": 1}),
            *[await client.post("/v1/llm/generations", json=request(callback_url=wrong)) for wrong in (
                f"https://user:{planted}@example.com/", f"ftp://example.com/?{planted}", f"https://10.0.0.1/?{planted}",
                f"https://example.com/ ?{planted}", f"https://example.com:port{planted}/", f"https://[{planted}/",
                f"https://example.com/?{planted}{'x' * 3000}",
            )],
        ]  # fmt: skip
    await system.quiet()
    shown = task["callback"]["url"]

    def read() -> list[str]:
        return [blob.download_as_text() for blob in system.objects.list_blobs(RESULTS)]

    published = await asyncio.to_thread(read)
    assert [answer.status_code for answer in delivered] == [200] * 4 + [422] * 7
    assert receiver.calls[0][0]["host"] in shown
    assert shown == receiver.url
    assert any(task["id"] in text for text in published)
    texts = [answer.text + str(answer.headers) for answer in delivered]
    for text in (*texts, *published, capsys.readouterr().out, *(body.decode() for _, body in receiver.calls)):
        assert planted not in text


async def test_a_callback_that_was_put_off_is_no_attempt_and_is_given_up_after_a_day(system: System) -> None:
    from functions.notify.main import callback_after  # Needs the settings, which the fixture made.

    callback = Callback(url="https://example.org/", attempts=2, last_status=503, last_error="it answered 503")
    busy = Attempt("put_off", error="example.org is busy with earlier requests")
    assert callback_after(callback, busy, last=False) == callback
    given_up = callback_after(callback, busy, last=True)
    assert (given_up.state, given_up.attempts, given_up.last_error) == ("unreachable", 2, busy.error)


@pytest.mark.long
async def test_slow_receivers_do_not_keep_a_quick_one_waiting(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their attempts are put off within seconds, so that the queue has places again."""
    monkeypatch.setattr("shared.cloud.callbacks._PATIENCE_SECONDS", 0.2)
    over = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await over.wait()
        await Response(b"")(scope, receive, send)

    server = HttpServer(slow)
    url = f"http://127.0.0.1:{await server.start()}/"
    secret = await system.key("slow-receivers")
    try:
        async with system.client(secret) as client:
            for number in range(20):
                await client.post("/v1/llm/generations", json=request(callback_url=url, seed=number))
        task = await wait_for_callback(system, secret, receiver.url, lambda callback: callback["state"] == "delivered")
    finally:
        over.set()
    assert task["callback"]["attempts"] == 1
    async with system.client(secret) as client, asyncio.timeout(60):
        while True:
            listed = (await client.get("/v1/tasks")).json()["data"]
            if {task["callback"]["state"] for task in listed} == {"delivered"}:
                break
            due = system.queue.next_due()
            if due is not None and due > system.clock.time():
                system.clock.advance(due - system.clock.time())
            await asyncio.sleep(0.05)
    await system.quiet()
    await server.stop()
