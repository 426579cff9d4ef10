"""A chat request of an operator's key names a context cache of the deployment's own Gemini API key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import openai
import pytest
import pytest_asyncio

from shared import wiring
from shared.domain.request.overrides import CACHED_CONTENT
from tests.functions.api.conftest import INBOX, REQUESTS, System
from tests.functions.api.openai_calls import openai_client, tasks_of
from tests.functions.generate.test_budgets import with_budgets

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "gemini-3.8-flash"
HELD = "A sentence of the book that is kept in the cache. " * 1_000
"""About 12,500 tokens."""
HELLO: list[Any] = [{"role": "user", "content": "Which chapter is the longest?"}]
OPERATOR = ("submit", "read", "operate")


@pytest_asyncio.fixture(loop_scope="session")
async def cache(system: System) -> AsyncIterator[str]:
    """The name of a cache that holds a book and a system instruction."""
    body: Any = {
        "contents": [{"role": "user", "parts": [{"text": HELD}]}],
        "systemInstruction": {"parts": [{"text": "You know this book."}]},
    }
    gemini = wiring.generate().gemini
    name, _ = await gemini.create_cache(MODEL, body, lifetime=timedelta(hours=1), display_name="book")
    yield name


def naming(cache: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": HELLO, "extra_body": {"google": {"cached_content": cache}}, **fields}


async def failure_of(system: System, key_id: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send the request, whose task fails; return the task's error."""
    async with openai_client(system, key_id, scopes=OPERATOR) as client:
        with pytest.raises(openai.APIStatusError) as failed:
            await client.chat.completions.create(**request)
    assert failed.value.response.headers["x-should-retry"] == "false"
    error: dict[str, Any] = (await tasks_of(system, key_id))[0]["error"]
    return error


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_cache_is_read_and_charged_at_the_price_of_cached_tokens(
    system: System, cache: str, wrapped: bool
) -> None:
    google = {"google": {"cached_content": cache}}
    async with openai_client(system, f"cache-{wrapped:d}", scopes=OPERATOR) as client:
        answer = await client.chat.completions.create(
            **naming(cache, extra_body={"extra_body": google} if wrapped else google)
        )
    async with openai_client(system, f"cache-{wrapped:d}-sent") as client:
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELD}, *HELLO])
    [named], [sent] = await tasks_of(system, f"cache-{wrapped:d}"), await tasks_of(system, f"cache-{wrapped:d}-sent")
    assert answer.usage is not None
    details = answer.usage.prompt_tokens_details
    assert details is not None
    assert (details.cached_tokens or 0) > 10_000
    assert answer.usage.prompt_tokens > (details.cached_tokens or 0)
    assert 0 < Decimal(named["usage"]["cost"]) < Decimal(sent["usage"]["cost"])


async def test_a_stream_several_answers_and_a_schema_go_with_a_cache(system: System, cache: str) -> None:
    system.gemini.set_model({"text": '{"a": 1}'})
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    async with openai_client(system, "cache-shapes", scopes=OPERATOR) as client:
        several = await client.chat.completions.create(**naming(cache, n=2, response_format=form))
        stream = await client.chat.completions.create(**naming(cache, stream=True))
        text = "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])
    assert [json.loads(choice.message.content or "") for choice in several.choices] == [{"a": 1}, {"a": 1}]
    assert text == '{"a": 1}'


async def test_a_key_without_the_scope_operate_may_not_name_one(system: System, cache: str) -> None:
    async with openai_client(system, "cache-stranger") as client:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await client.chat.completions.create(**naming(cache))
    async with system.client(await system.key("cache-stranger")) as http:
        body = {"model": MODEL, "messages": HELLO, "extra_body": {"google": {"cached_content": cache}}}
        answer = await http.post("/v1/llm/generations", json=body)
    assert (refused.value.code, refused.value.param) == ("scope_missing", CACHED_CONTENT)
    assert "only keys with the scope operate" in refused.value.message
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
    assert not await tasks_of(system, "cache-stranger")


async def test_a_key_that_has_lost_the_scope_cannot_rerun_what_it_asked_of_a_cache(system: System, cache: str) -> None:
    async with openai_client(system, "cache-rerun", scopes=OPERATOR) as client:
        await client.chat.completions.create(**naming(cache))
    task = (await tasks_of(system, "cache-rerun"))[0]["id"]
    async with system.client(await system.key("cache-rerun")) as client:
        answer = await client.post(f"/v1/tasks/{task}/rerun")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (403, "scope_missing", CACHED_CONTENT)


async def test_a_key_that_has_lost_the_scope_gets_no_replay_of_what_it_asked_of_a_cache(
    system: System, cache: str
) -> None:
    body, headers = naming(cache), {"Idempotency-Key": "once"}
    async with system.client(await system.key("cache-replay", scopes=OPERATOR)) as client:
        first = await client.post("/v1/chat/completions", json=body, headers=headers)
        again = await client.post("/v1/chat/completions", json=body, headers=headers)
    async with system.client(await system.key("cache-replay")) as client:
        refused = await client.post("/v1/chat/completions", json=body, headers=headers)
    assert again.json() == first.json()
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (403, "scope_missing", CACHED_CONTENT)


async def test_a_file_beside_the_cache_is_sent_and_gets_no_cache_of_its_own(system: System, cache: str) -> None:
    await system.drop("cached/long.txt", HELD.encode())
    part = {"type": "file", "file": {"file_id": f"gs://{INBOX}/cached/long.txt"}}
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "Is it the same book?"}]}]
    secret = await system.key("cache-file", scopes=OPERATOR, sources=(f"gs://{INBOX}/",))
    body = {"model": MODEL, "messages": messages, "extra_body": {"google": {"cached_content": cache}}}
    async with system.client(secret) as client:
        first = await client.post("/v1/chat/completions", json=body)
        made = system.tap.ledger.stats()["gemini"]["cachedContents.create"]
        # A rerun within the hour makes a cache of a large file.
        again = await client.post(f"/v1/tasks/{first.headers['x-dropsight-task']}/rerun", json={"sync": True})
    assert system.tap.ledger.stats()["gemini"]["cachedContents.create"] == made
    for answer in (first, again):
        assert answer.status_code == 200, answer.text
        usage = answer.json()["usage"]
        assert 10_000 < usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"] - 10_000


@pytest.mark.parametrize("gone", ["unknown", "expired"])
async def test_a_cache_that_is_gone_fails_the_task_at_once(system: System, cache: str, gone: str) -> None:
    name = cache if gone == "expired" else "cachedContents/never-was"
    if gone == "expired":
        await wiring.generate().gemini.delete_cache(name)
    error = await failure_of(system, f"cache-{gone}", naming(name))
    assert error["code"] == "source_gone"
    assert f"Gemini has no {name} for this deployment's API key" in error["message"]


async def test_a_cache_of_another_model_is_a_bad_request_and_no_file_is_prepared(system: System, cache: str) -> None:
    part = {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,d29yZHM="}}
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "Is it the same book?"}]}]
    secret = await system.key("cache-model", scopes=OPERATOR)
    await system.quiet()
    before = {**system.tap.ledger.stats()["gemini"]}
    async with system.client(secret) as client:
        request = naming(cache, model="gemini-3.5-flash-lite", messages=messages)
        answer = await client.post("/v1/chat/completions", json=request)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_param")
    assert f"{CACHED_CONTENT}: {cache} was made for {MODEL}, and gemini-3.5-flash-lite is asked" in error["message"]
    after = system.tap.ledger.stats()["gemini"]
    for paid in ("uploads", "streamGenerateContent"):
        assert after.get(paid) == before.get(paid)


async def test_a_blank_system_message_beside_a_cache_is_left_out(system: System, cache: str) -> None:
    blank = {"role": "system", "content": " \n"}
    async with openai_client(system, "cache-blank", scopes=OPERATOR) as client:
        answer = await client.chat.completions.create(**naming(cache, messages=[blank, *HELLO]))
    assert answer.choices[0].message.content


async def test_what_the_cache_may_cost_is_reserved(system: System, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = naming(cache, max_tokens=16)
    # What 12,500 tokens of text cost at the cached price is more than this; what the question itself costs is less.
    with_budgets(monkeypatch, task_budget=Decimal("0.0007"))
    error = await failure_of(system, "cache-budget", request)
    assert error["code"] == "budget_exceeded"
    async with openai_client(system, "cache-budget-plain", scopes=OPERATOR) as client:
        await client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=16)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "developer", "content": "Be brief."}, *HELLO]}, "messages.0"),
        ({"messages": [{"role": "system", "content": "Be brief."}, *HELLO]}, "messages.0"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}, "tools"),
        ({"model": "gemini-4-argon"}, "model"),
    ],
)
async def test_what_gemini_does_not_take_with_a_cache_is_refused_at_once(
    system: System, cache: str, fields: dict[str, Any], param: str
) -> None:
    async with openai_client(system, "cache-wrong", scopes=OPERATOR) as client:
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**{**naming(cache), **fields})
    assert refused.value.param == param
    assert not await tasks_of(system, "cache-wrong")


async def test_a_manifest_and_a_rerun_of_a_file_may_not_name_one(system: System, cache: str) -> None:
    extra = {"extra_body": {"google": {"cached_content": cache}}}
    secret = await system.key("cache-files", scopes=OPERATOR, sources=(f"gs://{INBOX}/", "manifests:billing"))
    manifest = json.dumps({"model": MODEL, "messages": HELLO, **extra}).encode()
    await system.drop("manifests/billing/cached.json", manifest, bucket=REQUESTS)
    failed: Any = await system.ended(secret, f"gs://{REQUESTS}/manifests/billing/cached.json")
    await system.drop("cached.txt", b"words")
    dropped = await system.ended(secret, f"gs://{INBOX}/cached.txt")
    async with system.client(secret) as client:
        rerun = await client.post(f"/v1/tasks/{dropped['id']}/rerun", json=extra)
    assert failed["error"]["code"] == "invalid_manifest"
    assert CACHED_CONTENT in failed["error"]["message"]
    assert (rerun.status_code, rerun.json()["error"]["param"]) == (422, CACHED_CONTENT)
