"""Cancel and rerun."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from shared.domain.tasks.task import key_of
from tests.functions.api.conftest import INBOX, REQUESTS, SAMPLES, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")

Json = dict[str, Any]


def model_calls(system: System) -> int:
    return sum("streamGenerateContent" in str(call["path"]) for call in system.tap.ledger.calls("gemini"))


async def test_a_task_that_waits_is_cancelled_and_the_model_is_never_asked(system: System) -> None:
    secret = await system.key("canceller")
    system.gemini.set_model({"processing": "30s"})
    before = model_calls(system)
    async with system.client(secret) as client:
        parts = [{"type": "file", "file": {"file_data": request()["audio_url"]}}] * 2
        body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": parts}]}
        task = (await client.post("/v1/llm/generations", json=body)).json()
        cancelled = await client.post(f"/v1/tasks/{task['id']}/cancel")
        again = await client.post(f"/v1/tasks/{task['id']}/cancel")
        await system.quiet()
        later = (await client.get(f"/v1/tasks/{task['id']}")).json()
    assert cancelled.status_code == again.status_code == 200
    assert cancelled.json()["status"] == "failed"
    assert cancelled.json()["error"]["code"] == later["error"]["code"] == "request_cancelled"
    assert later["status"] == "failed"
    assert model_calls(system) - before <= 1


@pytest.mark.long
async def test_a_model_that_is_speaking_is_stopped_at_its_next_chunk(system: System) -> None:
    system.gemini.set_model({"text": "word " * 400, "chunks": 100, "latency": "20s"})
    secret = await system.key("stopper-of-models")
    async with system.client(secret) as client:
        task = (await client.post("/v1/llm/generations", json=request(stream=True))).json()
        async with client.stream("GET", task["stream"]["url"]) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            await client.post(f"/v1/tasks/{task['id']}/cancel")
            async with asyncio.timeout(60):
                rest = [line async for line in lines]
                await system.quiet()
        ended = (await client.get(f"/v1/tasks/{task['id']}")).json()
    assert "event: error" in rest
    assert "request_cancelled" in rest[-2]
    assert ended["error"]["code"] == "request_cancelled"


async def test_an_ended_task_is_returned_as_it_is(system: System) -> None:
    async with system.client(await system.key("late-canceller")) as client:
        task = (await client.post("/v1/llm/generations", json=request())).json()
        ended = (await client.get(f"/v1/tasks/{task['id']}", params={"wait": 60})).json()
        cancelled = (await client.post(f"/v1/tasks/{task['id']}/cancel")).json()
    assert ended["status"] == cancelled["status"] == "completed"


async def test_a_rerun_asks_again_with_some_fields_replaced_and_leaves_the_old_task(system: System) -> None:
    async with system.client(await system.key("rerunner")) as client:
        first = (await client.post("/v1/llm/generations", json=request(prompt="One?", metadata={"n": "1"}))).json()
        answer = await client.post(f"/v1/tasks/{first['id']}/rerun", json={"model": "gemini-2.5-pro", "prompt": "Two?"})
        second = (await client.get(answer.headers["location"], params={"wait": 60})).json()
        refused = await client.post(f"/v1/tasks/{first['id']}/rerun", json={"colour": "red"})
        old = (await client.get(f"/v1/tasks/{first['id']}", params={"wait": 60})).json()
    assert answer.status_code == 200
    assert (second["model"], second["metadata"]) == ("gemini-2.5-pro", {"n": "1"})
    assert (old["model"], old["status"]) == ("gemini-2.5-flash", "completed")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "colour")


async def test_a_rerun_whose_request_is_gone_says_so_and_asks_to_submit_it_again(system: System) -> None:
    async with system.client(await system.key("too-late")) as client:
        first = (await client.post("/v1/llm/generations", json=request(prompt="One?"))).json()
        await client.get(f"/v1/tasks/{first['id']}", params={"wait": 20})
        stored = system.objects.bucket(REQUESTS).blob(f"api/{first['id']}.json")
        await asyncio.to_thread(stored.delete)
        answer = await client.post(f"/v1/tasks/{first['id']}/rerun", json={})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (410, "source_gone")
    assert "Submit it again" in error["message"]


async def dropped(system: System, secret: str, name: str, data: bytes) -> Json:
    await system.drop(name, data)
    return await system.ended(secret, f"gs://{INBOX}/{name}")


async def rerun(system: System, secret: str, task: Json, **changes: object) -> Json:
    """The new task, ended."""
    async with system.client(secret) as client:
        answer = await client.post(f"/v1/tasks/{task['id']}/rerun", json=changes)
        assert answer.status_code == 200, answer.text
        ended: Json = (await client.get(answer.headers["location"], params={"wait": 60})).json()
    return ended


async def test_a_dropped_file_is_asked_what_its_recipe_asked(system: System) -> None:
    secret = await system.key("re-asker", sources=(f"gs://{INBOX}/again/",))
    first = await dropped(system, secret, "again/report.pdf", (SAMPLES / "report.pdf").read_bytes())
    again = await rerun(system, secret, first)
    assert again["status"] == "completed", again
    assert again["id"] != first["id"]
    assert (again["source"], again["recipe"]) == (first["source"], first["recipe"])
    async with system.client(secret) as client:
        newest = (await client.get("/v1/tasks", params={"object": first["source"]})).json()["data"]
    assert {task["id"] for task in newest} == {again["id"], first["id"]}


async def test_a_rerun_of_a_dropped_file_may_change_how_it_is_asked(system: System) -> None:
    secret = await system.key("changer", sources=(f"gs://{INBOX}/changed/",))
    first = await dropped(system, secret, "changed/notes.txt", b"Words to be asked about.")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    changes = {"model": "gemini-2.5-pro", "prompt": "How many {words}?", "response_format": form, "temperature": 0.5}
    again = await rerun(system, secret, first, **changes, metadata={"why": "curious"})
    assert (again["status"], again["model"], again["metadata"]) == ("completed", "gemini-2.5-pro", {"why": "curious"})
    assert isinstance(json.loads(again["results"][0]["choices"][0]["message"]["content"])["n"], int)
    document = (await system.database.collection("tasks").document(key_of(again["id"])).get()).to_dict() or {}
    snapshot = json.loads(document["ran"]["snapshot"])
    assert (snapshot["parameters"], snapshot["prompt"]) == ({"temperature": 0.5}, "How many {{words}}?")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"colour": "red"}, "colour"),
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages"),
        ({"audio_url": "gs://other/file.wav"}, "audio_url"),
        ({"temperature": 9}, "temperature"),
        ({"recipe": "unheard-of"}, "recipe"),
        ({"model": "no-such-model"}, "model"),
    ],
)
async def test_what_a_rerun_of_a_dropped_file_cannot_change_is_refused(
    system: System, changes: Json, param: str
) -> None:
    secret = await system.key("refused-again", sources=(f"gs://{INBOX}/fixed/",))
    first = await dropped(system, secret, f"fixed/{param}.txt", b"Words.")
    async with system.client(secret) as client:
        answer = await client.post(f"/v1/tasks/{first['id']}/rerun", json=changes)
    assert answer.json()["error"]["param"] == param, answer.text
    assert answer.status_code in (404, 422)


async def test_one_idempotency_key_makes_one_rerun(system: System) -> None:
    secret = await system.key("once-again", sources=(f"gs://{INBOX}/once/",))
    first = await dropped(system, secret, "once/notes.txt", b"Words.")
    async with system.client(secret, **{"Idempotency-Key": "again"}) as client:
        answers = [await client.post(f"/v1/tasks/{first['id']}/rerun", json={}) for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true"]


async def test_a_rerun_within_the_hour_shares_a_context_cache_with_the_next_one(system: System) -> None:
    secret = await system.key("cacher", sources=(f"gs://{INBOX}/large/",))
    first = await dropped(system, secret, "large/book.txt", b"A sentence of a book that is asked about often. " * 400)
    before = caches(system)
    second = await rerun(system, secret, first, prompt="Who wrote it?")
    third = await rerun(system, secret, second, prompt="And when?")
    assert more_caches(system, before) == {"create": 1}
    assert cached(first) == 0
    assert cached(second) == cached(third) >= 4000
    system.clock.advance(3700)
    late = await rerun(system, secret, first, prompt="Where?")
    assert cached(late) == 0
    assert more_caches(system, before) == {"create": 1}


async def test_a_request_about_an_object_shares_one_as_well(system: System) -> None:
    secret = await system.key("request-cacher", sources=(f"gs://{INBOX}/asked/",))
    await dropped(system, secret, "asked/book.txt", b"A sentence of a book that is asked about often. " * 400)
    part = {"type": "file_url", "file_url": {"url": f"gs://{INBOX}/asked/book.txt"}}
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "Who?"}]}]
    async with system.client(secret) as client:
        body = {"model": "gemini-2.5-flash", "messages": messages}
        first = (await client.post("/v1/llm/generations", json=body)).json()
        await client.get(f"/v1/tasks/{first['id']}", params={"wait": 60})
    before = caches(system)
    again = [await rerun(system, secret, first, temperature=number / 10) for number in range(2)]
    assert more_caches(system, before) == {"create": 1}
    assert all(cached(task) >= 4000 for task in again)


def caches(system: System) -> dict[str, int]:
    stats = system.tap.ledger.stats().get("gemini", {})
    return {name: count for name, count in stats.items() if name.startswith("cachedContents.")}


def more_caches(system: System, before: dict[str, int]) -> dict[str, int]:
    """Caches made and deleted since."""
    more = {name.rpartition(".")[2]: count - before.get(name, 0) for name, count in caches(system).items()}
    return {name: count for name, count in more.items() if count and name in ("create", "delete")}


def cached(task: Json) -> int:
    return int((task["usage"].get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
