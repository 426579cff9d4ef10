"""Requests made to stop the service, and requests of forms that people really send, through every door."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from tests.functions.api.conftest import OTHER_INBOX, REQUESTS, SAMPLES, System
from tests.functions.api.routes.test_submit import request
from tests.shared.domain.request.hostile_schemas import HOSTILE, Schema, doubling, many_patterns, unevaluated

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACKS: dict[str, Schema] = {
    "doubling": doubling(20),
    "patterns": many_patterns(),
    "unevaluated": unevaluated(16),
}
HELLO = [{"role": "user", "content": "hi"}]


def structured(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"schema": schema}}


def asking(**fields: Any) -> dict[str, Any]:
    return {"model": "gemini-3.5-flash-lite", "messages": HELLO, **fields}


async def test_schemas_made_to_stop_the_api_are_refused_while_it_goes_on_answering(system: System) -> None:
    secret = await system.key("attacker")
    slowest = 0.0
    async with system.client(secret) as client:

        async def watch() -> None:
            nonlocal slowest
            while True:
                began = time.thread_time()
                assert (await client.get("/health")).status_code == 200
                slowest = max(slowest, time.thread_time() - began)
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        began = time.process_time()
        bodies = [asking(response_format=structured(schema)) for schema in HOSTILE.values()]
        bodies += [
            asking(tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
            for schema in HOSTILE.values()
        ]
        answers = await asyncio.gather(*(client.post("/v1/llm/generations", json=body) for body in bodies))
        spent = time.process_time() - began
        watching.cancel()
    assert {answer.status_code for answer in answers} <= {400, 422}
    params = {answer.json()["error"]["param"].split(".")[0] for answer in answers}
    assert params <= {"response_format", "tools", "body"}
    assert spent < 10
    # Of the thread that answers: other processes do not count.
    assert slowest < 3


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_manifest_with_such_a_schema_fails_at_once_and_says_where(system: System, attack: str) -> None:
    secret = await system.key(f"manifests-{attack}", sources=("manifests:attacks",))
    body = asking(response_format=structured(ATTACKS[attack]))
    began = time.process_time()
    await system.drop(f"manifests/attacks/{attack}.json", json.dumps(body).encode(), bucket=REQUESTS)
    task = await road_task(system, secret, f"gs://{REQUESTS}/manifests/attacks/{attack}.json")
    assert (task["status"], task["error"]["code"]) == ("failed", "invalid_manifest")
    assert "response_format.json_schema" in task["error"]["message"]
    assert time.process_time() - began < 10


@pytest.mark.parametrize("attack", ["doubling", "unevaluated"])
async def test_an_objects_metadata_with_such_a_schema_fails_its_task_at_once(system: System, attack: str) -> None:
    name = f"attacks/{attack}.pdf"
    secret = await system.key(f"metadata-{attack}", sources=(f"gs://{OTHER_INBOX}/attacks/",))

    def write() -> None:
        blob = system.objects.bucket(OTHER_INBOX).blob(name)
        blob.metadata = {"dropsight-recipe": "extract", "dropsight-schema": json.dumps(ATTACKS[attack])}
        blob.upload_from_string((SAMPLES / "report.pdf").read_bytes())

    await asyncio.to_thread(write)
    task = await system.ended(secret, f"gs://{OTHER_INBOX}/{name}")
    assert (task["status"], task["error"]["code"]) == ("failed", "invalid_param")  # type: ignore[index,call-overload]
    assert "dropsight-schema" in str(task["error"])


async def road_task(system: System, secret: str, uri: str) -> dict[str, Any]:
    async with system.client(secret) as client, asyncio.timeout(30):
        while True:
            listed = (await client.get("/v1/tasks")).json()["data"]
            if ended := [
                task for task in listed if task["source"] == uri and task["status"] in ("completed", "failed")
            ]:
                return dict(ended[0])
            await asyncio.sleep(0.05)


async def test_an_answer_that_costs_too_much_to_judge_does_not_hold_up_the_others(system: System) -> None:
    """A schema that is taken may still be costly with an answer of many values."""
    schema = {"type": "array", "items": {"$ref": "#/$defs/a0"}, "$defs": doubling(10)["$defs"]}
    system.gemini.set_model({"text": json.dumps(["x"] * 30_000 + [3])})
    async with system.client(await system.key("costly")) as client:
        made = await client.post("/v1/llm/generations", json=asking(response_format=structured(schema)))
        assert made.status_code == 200, made.text
        task = (await client.get(made.headers["location"], params={"wait": 60})).json()
    assert (task["status"], task["error"]["code"]) == ("failed", "schema_not_satisfied"), task


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "models/gemini-3.5-flash-lite"},
        {"model": "gemini-3.5-flash-lite "},
        {"stream": None},
        {"sync": None, "reasoning": None, "stop": None, "metadata": None, "extra_body": {"google": None}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}], "name": None, "tool_calls": None}]},
        {"response_format": structured({"type": "object", "properties": {"a": {"const": "b"}}, "required": ["a"]})},
    ],
)
async def test_what_is_taken_completes(system: System, fields: dict[str, Any]) -> None:
    async with system.client(await system.key(f"taken-{len(str(fields))}")) as client:
        made = await client.post("/v1/llm/generations", json=asking(**fields))
        assert made.status_code == 200, made.text
        assert made.json()["model"] == "gemini-3.5-flash-lite"
        task = (await client.get(made.headers["location"], params={"wait": 60})).json()
    assert task["status"] == "completed", task


async def test_one_idempotency_key_stands_for_one_request_however_it_is_written(system: System) -> None:
    async with system.client(await system.key("spellings"), **{"Idempotency-Key": "one"}) as client:
        first = await client.post("/v1/llm/generations", json=asking(temperature=1))
        for fields in ({"model": "models/gemini-3.5-flash-lite"}, {"model": " gemini-3.5-flash-lite"}, {"seed": None}):
            again = await client.post("/v1/llm/generations", json=asking(**{"temperature": 1.0, **fields}))
            assert again.headers.get("idempotent-replayed") == "true", again.text
            assert again.json()["id"] == first.json()["id"]
        as_text = {"content-type": "text/plain"}
        plain = json.dumps(asking(temperature=1)).encode()
        assert (await client.post("/v1/llm/generations", content=plain, headers=as_text)).json()["id"] == first.json()[
            "id"
        ]
        marked = b"\xef\xbb\xbf" + json.dumps(asking(temperature=1)).encode()
        assert (await client.post("/v1/llm/generations", content=marked)).json()["id"] == first.json()["id"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "user", "content": "x" * 1_000_001}]}, "messages.0.content"),
        ({"response_format": structured({"properties": {"a": {"pattern": "^a"}}})},
         "response_format.json_schema.schema.properties.a.pattern"),
        ({"metadata": {"__reserved__": "x"}}, "metadata"),
        ({"metadata": {"a": "\0"}}, "metadata"),
    ],
)  # fmt: skip
async def test_what_would_fail_later_is_refused_at_once(system: System, fields: dict[str, Any], param: str) -> None:
    async with system.client(await system.key(f"refused-{len(str(fields))}")) as client:
        answer = await client.post("/v1/llm/generations", json=asking(**fields))
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param), answer.text
    assert listed == []


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("cache", {"extra_body": {"google": {"cached_content": "cachedContents/theirs"}}}, "cached_content"),
        ("callback", {"callback_url": "ftp://example.com/called"}, "callback_url"),
        ("callback-inside", {"callback_url": "https://10.0.0.1/called"}, "callback_url"),
        ("text", {"messages": [{"role": "user", "content": "x" * 1_000_001}]}, "messages.0.content"),
        ("model", {"model": "tunedModels/a"}, "model"),
    ],
)
async def test_a_manifest_with_what_cannot_be_used_fails_at_once(
    system: System, name: str, fields: dict[str, Any], says: str
) -> None:
    secret = await system.key(f"manifest-{name}", sources=("manifests:wrong",))
    await system.drop(f"manifests/wrong/{name}.json", json.dumps(asking(**fields)).encode(), bucket=REQUESTS)
    task = await road_task(system, secret, f"gs://{REQUESTS}/manifests/wrong/{name}.json")
    assert (task["status"], task["error"]["code"]) == ("failed", "invalid_manifest")
    assert says in task["error"]["message"]


async def test_a_manifest_is_taken_in_every_form_that_a_request_is(system: System) -> None:
    secret = await system.key("marked-manifest", sources=("manifests:marked",))
    body = asking(model=" models/gemini-3.5-flash-lite", stream=None, sync=None)
    await system.drop("manifests/marked/one.json", b"\xef\xbb\xbf" + json.dumps(body).encode(), bucket=REQUESTS)
    task = await road_task(system, secret, f"gs://{REQUESTS}/manifests/marked/one.json")
    assert (task["status"], task["model"]) == ("completed", "gemini-3.5-flash-lite"), task


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(asking()).encode("utf-16"),
        json.dumps(asking(prompt="\ud800")).encode(),
        b"\x1f\x8b\x08\0\0\0\0\0\0\0",
        b'{"model": ' + b"[" * 200_000,
        json.dumps(asking(seed="@")).encode().replace(b'"@"', b"9" * 5_000),
        json.dumps(asking(temperature="@")).encode().replace(b'"@"', b"1e999"),
    ],
)
@pytest.mark.parametrize("door", ["submit", "rerun of a request", "rerun of a file"])
async def test_bodies_of_odd_forms_are_refused_at_every_door(system: System, text: bytes, door: str) -> None:
    secret = await system.key(f"odd-{door.replace(' ', '-')}-{len(text)}", sources=(f"gs://{OTHER_INBOX}/odd/",))
    async with system.client(secret) as client:
        path = "/v1/llm/generations"
        if door == "rerun of a request":
            path = f"/v1/tasks/{(await client.post(path, json=request())).json()['id']}/rerun"
        elif door == "rerun of a file":
            name = f"odd/{len(text)}.txt"
            await system.drop(name, b"Some notes.", bucket=OTHER_INBOX)
            task = await system.ended(secret, f"gs://{OTHER_INBOX}/{name}")
            path = f"/v1/tasks/{task['id']}/rerun"
        answer = await client.post(path, content=text)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["code"] == "invalid_param"


async def test_a_rerun_may_say_null(system: System) -> None:
    secret = await system.key("null-again", sources=(f"gs://{OTHER_INBOX}/null/",))
    await system.drop("null/notes.txt", b"Some notes.", bucket=OTHER_INBOX)
    task = await system.ended(secret, f"gs://{OTHER_INBOX}/null/notes.txt")
    async with system.client(secret) as client:
        submitted = (await client.post("/v1/llm/generations", json=asking(seed=3))).json()
        for task_id in (task["id"], submitted["id"]):
            nulls = {"model": None, "stream": None, "sync": None, "seed": None, "recipe": None}
            answer = await client.post(f"/v1/tasks/{task_id}/rerun", json=nulls)
            assert answer.status_code == 200, answer.text
            again = (await client.get(answer.headers["location"], params={"wait": 60})).json()
            assert again["status"] == "completed", again
