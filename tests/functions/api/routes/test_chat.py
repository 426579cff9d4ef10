"""OpenAI's chat, called by OpenAI's own client: answers, streams, tools, files from everywhere, and errors."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import pytest
from pydantic import BaseModel, Field

from functions.api import openai_stream
from functions.api.routes import files
from tests.functions.api.conftest import INBOX, OTHER_INBOX, SAMPLES, System
from tests.functions.api.openai_calls import openai_client, tasks_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "gemini-3.8-flash"
HELLO: list[Any] = [{"role": "user", "content": "Say hello."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "minLength": 1}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def in_base64(name: str) -> str:
    return base64.b64encode((SAMPLES / name).read_bytes()).decode()


async def test_a_question_is_answered_and_its_task_named(system: System) -> None:
    system.gemini.set_model({"text": "Hello."})
    async with openai_client(system, "chat") as client:
        answer = await client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    completion = answer.parse()
    assert completion.choices[0].message.content == "Hello."
    assert completion.usage is not None
    assert completion.usage.total_tokens > 0
    assert [task["id"] for task in await tasks_of(system, "chat")] == [answer.headers["x-dropsight-task"]]


@pytest.mark.parametrize("include_usage", [True, False])
async def test_a_stream_has_chunks_and_usage_only_if_it_is_asked_for(system: System, include_usage: bool) -> None:
    system.gemini.set_model({"text": "One two three four five. " * 40})
    async with openai_client(system, f"chat-stream-{include_usage:d}") as client:
        options: Any = {"stream_options": {"include_usage": True}} if include_usage else {}
        stream = await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, **options)
        chunks = [chunk async for chunk in stream]
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.split() == ("One two three four five. " * 40).split()
    assert [bool(chunk.choices) for chunk in chunks[:-1]] == [True] * (len(chunks) - 1)
    assert (not chunks[-1].choices) is include_usage
    assert (chunks[-1].usage is not None) is include_usage


async def test_the_fields_of_todays_clients_are_accepted_and_those_without_effect_named(system: System) -> None:
    async with openai_client(system, "chat-extras") as client:
        answer = await client.chat.completions.with_raw_response.create(
            model=MODEL,
            messages=HELLO,
            n=1,
            user="u-1",
            store=False,
            logprobs=False,
            parallel_tool_calls=True,
            max_completion_tokens=200,
            reasoning_effort="low",
            service_tier="auto",
            metadata={"case": "7"},
            prompt_cache_key="p",
            verbosity="low",
            modalities=["text"],
            extra_body={"google": {"thinking_config": None}, "some_new_field": 1},
        )
        task = (await tasks_of(system, "chat-extras"))[0]
    ignored = answer.headers["x-dropsight-ignored"].split(", ")
    assert {"user", "store", "logprobs", "parallel_tool_calls", "prompt_cache_key", "some_new_field"} <= set(ignored)
    assert not {"max_completion_tokens", "n", "metadata", "reasoning_effort"} & set(ignored)
    assert task["metadata"] == {"case": "7"}


async def test_a_tool_is_called_and_its_result_taken(system: System) -> None:
    async with openai_client(system, "chat-tools") as client:
        messages: list[Any] = [{"role": "user", "content": "What is the weather in Ulm?"}]
        first = await client.chat.completions.create(
            model=MODEL, messages=messages, tools=[WEATHER], tool_choice="required"
        )
        message = first.choices[0].message
        assert first.choices[0].finish_reason == "tool_calls"
        assert message.tool_calls
        messages.append(message.model_dump())
        messages.append({"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain."})
        signed = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        del messages[1]["tool_calls"][0]["extra_content"]
        unsigned = await client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    for answer in (signed, unsigned):
        assert answer.choices[0].message.content or answer.choices[0].message.tool_calls


class Place(BaseModel):
    city: str = Field(min_length=1, max_length=80, pattern="^.", description="Where")


class Report(BaseModel):
    place: Place = Field(description="The place reported on")
    score: float = Field(gt=0, lt=100)
    tags: list[str] = Field(min_length=1, default_factory=list)


async def test_a_class_is_filled_though_gemini_does_not_take_every_keyword_of_its_schema(system: System) -> None:
    async with openai_client(system, "chat-parse") as client:
        answer = await client.chat.completions.create(
            model=MODEL,
            messages=HELLO,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "report", "schema": Report.model_json_schema(), "strict": True},
            },
        )
        parsed = await client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Place)
    assert answer.choices[0].message.content
    assert parsed.choices[0].message.parsed is not None


async def test_files_come_inline_from_buckets_by_upload_and_by_the_task_of_a_dropped_file(system: System) -> None:
    prefix = f"gs://{INBOX}/chat/"
    secret = await system.key("chat-files", sources=(prefix, f"gs://{OTHER_INBOX}/"))
    await system.drop("chat/speech.wav", (SAMPLES / "speech.wav").read_bytes())
    await system.drop("report.pdf", (SAMPLES / "report.pdf").read_bytes(), bucket=OTHER_INBOX)
    task = await system.ended(secret, f"{prefix}speech.wav")
    async with openai_client(system, "chat-files", sources=(prefix, f"gs://{OTHER_INBOX}/")) as client:
        uploaded = await client.files.create(file=SAMPLES / "photo.jpg", purpose="user_data")
        parts: list[Any] = [
            {"type": "text", "text": "What are these?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{in_base64('picture.png')}"}},
            {"type": "input_audio", "input_audio": {"data": in_base64("speech.mp3"), "format": "mp3"}},
            {"type": "input_audio", "input_audio": {"data": task["id"], "format": "wav"}},
            {"type": "file", "file": {"file_id": uploaded.id}},
            {"type": "file", "file": {"file_id": f"gs://{OTHER_INBOX}/report.pdf"}},
            {"type": "file", "file": {"file_data": in_base64("report.pdf"), "filename": "again.pdf"}},
        ]
        answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])
    text = answer.choices[0].message.content or ""
    assert all(f"\n{number}. " in text for number in range(1, 7))


async def test_a_search_for_files_of_a_purpose_goes_on_page_by_page(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_MAX_LOOKED_AT", 3)
    async with openai_client(system, "chat-purposes") as client:
        for _ in range(6):
            await client.files.create(file=("a.txt", b"words"), purpose="user_data")
        wanted = await client.files.create(file=("b.jsonl", b"{}"), purpose="batch")
    pages: list[dict[str, Any]] = []
    async with system.client(await system.key("chat-purposes")) as http:
        while not pages or pages[-1]["has_more"]:
            after = pages[-1]["last_id"] if pages else ""
            pages.append((await http.get("/v1/files", params={"purpose": "batch", "after": after})).json())
    assert [file["id"] for page in pages for file in page["data"]] == [wanted.id]
    # Seven files, three a page.
    assert len(pages) == 3


async def test_an_uploaded_file_is_listed_shown_and_deleted_by_its_owner_only(system: System) -> None:
    async with openai_client(system, "chat-uploads") as client, openai_client(system, "chat-other") as other:
        uploaded = await client.files.create(file=("report €.pdf", b"%PDF-1.4 x"), purpose="user_data")
        listed = await client.files.list(purpose="user_data")
        others = await client.files.list(purpose="batch")
        shown = await client.files.retrieve(uploaded.id)
        content = (await client.files.content(uploaded.id)).read()
        with pytest.raises(openai.NotFoundError):
            await other.files.retrieve(uploaded.id)
        with pytest.raises(openai.NotFoundError):
            await other.files.delete(uploaded.id)
        deleted = await client.files.delete(uploaded.id)
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(uploaded.id)
        left = await client.files.list()
    assert [file.id for file in listed.data] == [uploaded.id]
    assert not others.data
    assert (shown.filename, shown.bytes, shown.purpose) == ("report €.pdf", 10, "user_data")
    assert content == b"%PDF-1.4 x"
    assert deleted.deleted
    assert not left.data


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": "gpt-4o"}, openai.NotFoundError, "model"),
        ({"n": 9}, openai.BadRequestError, "n"),
        ({"n": 0}, openai.BadRequestError, "n"),
        ({"n": 2, "extra_body": {"recipe": "summarise"}}, openai.BadRequestError, "n"),
        ({"temperature": 9}, openai.BadRequestError, "temperature"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "Hel"}]}, openai.BadRequestError, "messages"),
        ({"response_format": "json"}, openai.BadRequestError, "response_format"),
        ({"reasoning_effort": 3}, openai.BadRequestError, "reasoning_effort"),
        ({"metadata": "m"}, openai.BadRequestError, "metadata"),
        ({"messages": []}, openai.BadRequestError, None),
        ({"messages": "hello"}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}]},
         openai.BadRequestError, "messages.0.content.0.file"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-" + "0" * 32}}]}]},
         openai.NotFoundError, None),
        ({"tools": [{"type": "web_search"}]}, openai.BadRequestError, "tools.0.type"),
    ],
)  # fmt: skip
async def test_what_is_wrong_raises_openais_own_classes(
    system: System, fields: dict[str, Any], error: type[openai.APIStatusError], param: str | None
) -> None:
    async with openai_client(system, "chat-wrong") as client:
        with pytest.raises(error) as refused:
            await client.chat.completions.create(**{"model": MODEL, "messages": HELLO, **fields})
    assert param is None or refused.value.param == param
    assert not await tasks_of(system, "chat-wrong")


async def test_an_unknown_key_is_an_authentication_error(system: System) -> None:
    async with openai.AsyncOpenAI(base_url=f"{system.url}/v1", api_key="sk-no", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model=MODEL, messages=HELLO)


async def test_a_clients_own_retry_gets_the_task_that_it_lost_and_a_question_asked_twice_two(system: System) -> None:
    body = {"model": MODEL, "messages": HELLO}
    async with system.client(await system.key("chat-retry")) as client:
        send = client.post
        first = await send("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "0"})
        retried = await send("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "1"})
        again = await send("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": "0"})
    names = [answer.headers["x-dropsight-task"] for answer in (first, retried, again)]
    assert names[0] == names[1] != names[2]


async def test_retries_of_a_request_that_made_no_task_share_one(system: System) -> None:
    body = {"model": MODEL, "messages": HELLO}
    async with system.client(await system.key("chat-retries")) as client:
        answers = await asyncio.gather(
            *(
                client.post("/v1/chat/completions", json=body, headers={"x-stainless-retry-count": str(count)})
                for count in (1, 2, 3)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-dropsight-task"] for answer in answers}) == 1


async def test_no_heartbeat_of_a_stream_looks_like_an_event_without_data(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients take each blank line for the end of an event, and parse the empty data."""
    monkeypatch.setattr(openai_stream, "HEARTBEAT_SECONDS", 0.1)
    system.gemini.set_model({"text": "Hello.", "latency": "500ms"})
    async with system.client(await system.key("chat-heartbeat")) as client:
        answer = await client.post("/v1/chat/completions", json={"model": MODEL, "messages": HELLO, "stream": True})
    assert ": ping\n" in answer.text
    assert all("data: " in block for block in answer.text.removesuffix("\n\n").split("\n\n"))


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("responses", "POST /v1/chat/completions"),
        ("responses/", "POST /v1/chat/completions"),
        ("embeddings", "the recipe embed in POST /v1/llm/generations"),
        ("images/generations", "the recipe draw in POST /v1/llm/generations"),
        ("audio/speech", "the recipe speak in POST /v1/llm/generations"),
        ("batches", "POST /v1/llm/generations"),
        ("chat/completions/chatcmpl-1", "GET /v1/tasks/{id}"),
        ("messages", "POST /v1/chat/completions"),
        ("conversations", "POST /v1/chat/completions"),
        ("vector_stores/vs_1/search", "the field index of POST /v1/chat/completions"),
    ],
)
async def test_what_is_not_served_says_what_to_use_instead(system: System, path: str, instead: str) -> None:
    async with system.client(await system.key("chat-unserved")) as client:
        answer = await client.post(f"/v1/{path}", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_served")
    assert instead in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/chat/completions", "below /v1"),
        ("/audio/transcriptions", "below /v1"),
        ("/v1/v1/chat/completions", "below /v1"),
        ("/asr", "use POST /v1/audio/transcriptions"),
        ("/v1/chat/completions/", "slash at the end: /v1/chat/completions"),
    ],
)
async def test_an_address_that_is_nearly_right_is_put_right_in_words(system: System, path: str, advice: str) -> None:
    async with system.client(await system.key("chat-unserved")) as client:
        answer = await client.post(path, json={})
    assert answer.status_code == 404
    assert advice in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/modelsx", "/files.js", "/v1/nonsense/", "/v1/responsesx", "/v1/v1x"])
async def test_a_path_that_is_only_spelled_alike_has_no_advice(system: System, path: str) -> None:
    async with system.client(await system.key("chat-unserved")) as client:
        answer = await client.post(path, json={})
    assert answer.status_code == 404
    assert "not_served" not in answer.text


async def test_several_answers_are_choices_of_one_task(system: System) -> None:
    system.gemini.set_model({"text": "Hello."})
    async with openai_client(system, "chat-several") as client:
        answer = await client.chat.completions.create(model=MODEL, messages=HELLO, n=3)
    assert [(choice.index, choice.message.content) for choice in answer.choices] == [
        (number, "Hello.") for number in range(3)
    ]
    [task] = await tasks_of(system, "chat-several")
    async with system.client(await system.key("chat-several")) as client:
        usage = (await client.get(f"/v1/tasks/{task['id']}")).json()["usage"]
    assert answer.usage is not None
    assert usage["total_tokens"] == answer.usage.total_tokens
    assert usage["calls"] == 3


async def test_each_chunk_of_several_answers_says_to_which_it_belongs(system: System) -> None:
    text = "A few words of it. " * 40
    system.gemini.set_model({"text": text, "chunks": 5})
    async with openai_client(system, "chat-several-streamed") as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=HELLO, n=3, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    for number in range(3):
        mine = [choice for chunk in chunks for choice in chunk.choices if choice.index == number]
        assert "".join(choice.delta.content or "" for choice in mine).split() == text.split()
        assert [choice.delta.role for choice in mine] == ["assistant"] + [None] * (len(mine) - 1)
        assert [choice.finish_reason for choice in mine] == [None] * (len(mine) - 1) + ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
