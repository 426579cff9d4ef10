"""Submitting a request: the task it makes, the answers it may ask for, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai.types import Model as OpenAIModel
from openai.types.chat import ChatCompletion

from tests.functions.api.conftest import OTHER_INBOX, SAMPLES, System

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = "data:audio/wav;base64," + base64.b64encode((SAMPLES / "speech.wav").read_bytes()).decode()
PICTURE = "data:image/png;base64," + base64.b64encode((SAMPLES / "picture.png").read_bytes()).decode()
TEN_KEYS = {"id", "object", "type", "model", "status", "progress", "created", "stream", "results", "error"}


def request(**fields: Any) -> dict[str, Any]:
    return {"model": "gemini-2.5-flash", "audio_url": SPEECH, **fields}


async def test_a_request_becomes_a_task_that_completes_with_a_chat_completion(system: System) -> None:
    async with system.client(await system.key("submitter")) as client:
        answer = await client.post("/v1/llm/generations", json=request(prompt="Who speaks?", metadata={"a": "b"}))
        task = answer.json()
        looked_up = (await client.get(f"/v1/tasks/{task['id']}", params={"wait": 60})).json()
    assert answer.status_code == 200
    assert answer.headers["location"] == f"/v1/tasks/{task['id']}"
    assert answer.headers["retry-after"]
    assert task.keys() >= TEN_KEYS
    assert (task["status"], task["progress"], task["stream"]) == ("pending", 0, None)
    assert (looked_up["status"], looked_up["progress"], looked_up["metadata"]) == ("completed", 100, {"a": "b"})
    completion = ChatCompletion.model_validate(looked_up["results"][0])
    assert completion.choices[0].message.content
    assert looked_up["usage"]["prompt_tokens"] > 0


async def test_a_synchronous_request_is_answered_with_the_bare_completion(system: System) -> None:
    async with system.client(await system.key("sync")) as client:
        answer = await client.post("/v1/llm/generations", json=request(sync=True))
        task = (await client.get(answer.headers["location"])).json()
    assert answer.status_code == 200
    completion = ChatCompletion.model_validate(answer.json())
    assert task["results"][0] == answer.json()
    assert completion.choices[0].finish_reason == "stop"


async def test_messages_may_mix_text_pictures_recordings_and_files_from_everywhere(system: System) -> None:
    secret = await system.key("mixer", sources=(f"gs://{OTHER_INBOX}/mix/",))
    await system.drop("mix/report.pdf", (SAMPLES / "report.pdf").read_bytes(), bucket=OTHER_INBOX)
    parts = [
        {"type": "text", "text": "What do these have in common?"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
        {"type": "input_audio", "input_audio": {"data": SPEECH.partition(",")[2], "format": "wav"}},
        {"type": "file_url", "file_url": {"url": f"gs://{OTHER_INBOX}/mix/report.pdf"}},
        {"type": "file", "file": {"file_data": PICTURE, "filename": "again.png"}},
    ]
    body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": parts}], "sync": True}
    async with system.client(secret) as client:
        answer = await client.post("/v1/llm/generations", json=body)
    assert answer.status_code == 200, answer.text
    assert ChatCompletion.model_validate(answer.json()).choices[0].message.content


async def test_a_synchronous_request_that_fails_is_answered_with_the_tasks_error(system: System) -> None:
    system.gemini.set_model({"block_reason": "SAFETY"})
    async with system.client(await system.key("sync-blocked")) as client:
        answer = await client.post("/v1/llm/generations", json=request(sync=True))
        task = (await client.get(answer.headers["location"])).json()
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "content_policy_violation")
    assert task["error"]["code"] == "content_policy_violation"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_that_is_answered_emptily_twice_is_no_success(system: System, stream: bool) -> None:
    system.gemini.set_model({"text": ""})
    secret = await system.key(f"sync-empty-{stream:d}")
    async with system.client(secret) as client:
        answer = await client.post("/v1/llm/generations", json=request(sync=True, stream=stream))
        tasks = (await client.get("/v1/tasks")).json()["data"]
    system.gemini.set_model({"text": None})
    assert "empty_answer" in answer.text
    assert stream or answer.status_code == 500
    assert [(task["status"], task["error"]["code"]) for task in tasks] == [("failed", "empty_answer")]


async def test_a_result_that_is_too_large_for_a_document_is_looked_up_all_the_same(system: System) -> None:
    text = "ÄÖÜßäöü " * 20_000
    system.gemini.set_model({"text": text})
    async with system.client(await system.key("large")) as client:
        answer = await client.post("/v1/llm/generations", json=request(sync=True))
        task = (await client.get(answer.headers["location"])).json()
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert answer.json()["choices"][0]["message"]["content"] == text
    assert listed[0]["results"] == task["results"] == [answer.json()]


async def test_a_function_call_comes_as_tool_calls(system: System) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]  # fmt: skip
    body = {
        "model": "gemini-2.5-flash",
        "messages": [{"role": "user", "content": "What is the weather in Ulm?"}],
        "tools": tools,
        "tool_choice": "required",
        "sync": True,
    }
    async with system.client(await system.key("caller")) as client:
        answer = await client.post("/v1/llm/generations", json=body)
    completion = ChatCompletion.model_validate(answer.json())
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.choices[0].message.tool_calls


async def test_the_models_are_listed_in_both_forms(system: System) -> None:
    async with system.client(await system.key("chooser")) as client:
        ours = (await client.get("/v1/configs/llm_generations_models")).json()
        theirs = (await client.get("/v1/models")).json()
        one = (await client.get("/v1/models/gemini-2.5-pro")).json()
        none = await client.get("/v1/models/gpt-4")
    assert {model["id"] for model in ours["data"]} == {model["id"] for model in theirs["data"]}
    assert OpenAIModel.model_validate(one).owned_by == "google"
    assert one["limits"]["input_tokens"] == 1_048_576
    assert none.status_code == 404


async def test_a_model_past_its_end_is_not_listed_and_looked_up_it_is_its_successor(system: System) -> None:
    async with system.client(await system.key("later")) as client:
        listed = {model["id"] for model in (await client.get("/v1/models")).json()["data"]}
        ended = (await client.get("/v1/models/gemini-3.7-flash")).json()
        answering = (await client.get("/v1/models/gemini-3.8-flash")).json()
        body = request(model="gemini-3.5-flash", presence_penalty=0.5)
        refused = await client.post("/v1/llm/generations", json=body)
    assert "gemini-3.8-flash" in listed
    assert "gemini-3.7-flash" not in listed
    assert (ended["id"], ended["answered_by"]) == ("gemini-3.7-flash", "gemini-3.8-flash")
    assert ended["thinking"] == answering["thinking"]
    assert ended["shutdown"] == {"on": "2026-10-08", "successor": "gemini-3.8-flash"}
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "presence_penalty")
