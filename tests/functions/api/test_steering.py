"""Cancel and rerun."""

from __future__ import annotations

import asyncio

import pytest

from tests.functions.api.conftest import INBOX, SAMPLES, Road
from tests.functions.api.test_submitting import request

pytestmark = pytest.mark.asyncio(loop_scope="session")


def model_calls(road: Road) -> int:
    return sum("streamGenerateContent" in str(call["path"]) for call in road.tap.ledger.calls("gemini"))


async def test_a_task_that_waits_is_cancelled_and_the_model_is_never_asked(road: Road) -> None:
    secret = await road.key("canceller")
    road.gemini.set_model({"processing": "30s"})
    before = model_calls(road)
    async with road.client(secret) as client:
        parts = [{"type": "file", "file": {"file_data": request()["audio_url"]}}] * 2
        body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": parts}]}
        task = (await client.post("/v1/llm/generations", json=body)).json()
        cancelled = await client.post(f"/v1/tasks/{task['id']}/cancel")
        again = await client.post(f"/v1/tasks/{task['id']}/cancel")
        await road.quiet()
        later = (await client.get(f"/v1/tasks/{task['id']}")).json()
    assert cancelled.status_code == again.status_code == 200
    assert cancelled.json()["status"] == "failed"
    assert cancelled.json()["error"]["code"] == later["error"]["code"] == "request_cancelled"
    assert later["status"] == "failed"
    assert model_calls(road) - before <= 1


async def test_a_model_that_is_speaking_is_stopped_at_its_next_chunk(road: Road) -> None:
    road.gemini.set_model({"text": "word " * 400, "chunks": 100, "latency": "20s"})
    secret = await road.key("stopper-of-models")
    async with road.client(secret) as client:
        task = (await client.post("/v1/llm/generations", json=request(stream=True))).json()
        async with client.stream("GET", task["stream"]["url"]) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await client.post(f"/v1/tasks/{task['id']}/cancel")
            async with asyncio.timeout(5):
                rest = [line async for line in lines]
                await road.quiet()
        ended = (await client.get(f"/v1/tasks/{task['id']}")).json()
    assert "event: error" in rest
    assert "request_cancelled" in rest[-2]
    assert ended["error"]["code"] == "request_cancelled"


async def test_an_ended_task_is_returned_as_it_is(road: Road) -> None:
    async with road.client(await road.key("late-canceller")) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
        ended = (await client.get(f"/v1/tasks/{task['id']}", params={"wait": 20})).json()
        cancelled = (await client.post(f"/v1/tasks/{task['id']}/cancel")).json()
    assert ended["status"] == cancelled["status"] == "completed"


async def test_a_rerun_asks_again_with_some_fields_replaced_and_leaves_the_old_task(road: Road) -> None:
    async with road.client(await road.key("rerunner")) as client:
        first = (await client.post("/v1/llm/generations", json=request(prompt="One?", metadata={"n": "1"}))).json()
        answer = await client.post(f"/v1/tasks/{first['id']}/rerun", json={"model": "gemini-2.5-pro", "prompt": "Two?"})
        second = (await client.get(answer.headers["location"], params={"wait": 20})).json()
        refused = await client.post(f"/v1/tasks/{first['id']}/rerun", json={"colour": "red"})
        old = (await client.get(f"/v1/tasks/{first['id']}", params={"wait": 20})).json()
    assert answer.status_code == 200
    assert (second["model"], second["metadata"]) == ("gemini-2.5-pro", {"n": "1"})
    assert (old["model"], old["status"]) == ("gemini-2.5-flash", "completed")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "colour")


async def test_a_dropped_file_is_asked_about_again(road: Road) -> None:
    secret = await road.key("re-asker", sources=(f"gs://{INBOX}/again/",))
    await road.drop("again/report.pdf", (SAMPLES / "report.pdf").read_bytes())
    dropped = await road.ended(secret, f"gs://{INBOX}/again/report.pdf")
    async with road.client(secret) as client:
        answer = await client.post(f"/v1/tasks/{dropped['id']}/rerun", json={})
        again = (await client.get(answer.headers["location"], params={"wait": 20})).json()
    assert again["status"] == "completed", again
    assert again["id"] != dropped["id"]
