"""What is refused at once, and which field it is said to lie in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.api.conftest import System
from tests.functions.api.routes.test_submit import PICTURE, SPEECH, request

pytestmark = pytest.mark.asyncio(loop_scope="session")


def messages(*parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": list(parts)}], **fields}


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown field": (request(colour="red"), "invalid_param", "colour"),
    "no model": ({"audio_url": SPEECH}, "invalid_param", "model"),
    "too hot": (request(temperature=2.1), "invalid_param", "temperature"),
    "no tokens": (request(max_tokens=0), "invalid_param", "max_tokens"),
    "text for a number": (request(top_k="3"), "invalid_param", "top_k"),
    "a long prompt": (request(prompt="x" * 100_001), "invalid_param", "prompt"),
    "a long system prompt": (request(system_prompt="x" * 10_001), "invalid_param", "system_prompt"),
    "many pairs": (request(metadata={str(n): "" for n in range(17)}), "invalid_param", "metadata"),
    "neither": ({"model": "gemini-2.5-flash"}, "invalid_param", "body"),
    "both": (messages({"type": "text", "text": "a"}, audio_url=SPEECH), "invalid_param", "body"),
    "an unknown part": (messages({"type": "smell"}), "invalid_param", "messages.0.content.0"),
    "a part without its field": (
        messages({"type": "image_url", "image_url": {}}),
        "invalid_param",
        "messages.0.content.0.image_url.url",
    ),
    "no address": (request(audio_url="hello world"), "invalid_param", "audio_url"),
    "no base64": (request(audio_url="data:audio/wav;base64,@@@@"), "invalid_param", "audio_url"),
    "a type that is not taken": (
        request(audio_url="data:application/zip;base64,AAAA"),
        "unsupported_content_type",
        "audio_url",
    ),
    "a picture for a recording": (request(audio_url=PICTURE), "unsupported_content_type", "audio_url"),
    "no such model": (request(model="gpt-4o"), "no_available_model", "model"),
    "a penalty": (request(model="gemini-3.5-flash-lite", presence_penalty=1), "invalid_param", "presence_penalty"),
    "a budget where there are levels": (
        request(model="gemini-3.5-flash-lite", extra_body={"google": {"thinking_config": {"thinking_budget": 512}}}),
        "model_not_support_capability",
        "extra_body.google.thinking_config.thinking_budget",
    ),
    "a retired model": (request(model="gemini-1.5-pro"), "no_available_model", "model"),
    "thinking that cannot stop": (
        request(model="gemini-2.5-pro", reasoning_effort="none"),
        "model_not_support_capability",
        "reasoning_effort",
    ),
    "effort and setting": (
        request(reasoning_effort="low", extra_body={"google": {"thinking_config": {"thinking_budget": 5}}}),
        "invalid_param",
        "body",
    ),
    "a schema that is none": (
        request(response_format={"type": "json_schema", "json_schema": {"schema": {"type": "colour"}}}),
        "invalid_param",
        "response_format.json_schema",
    ),
    "an unknown recipe": (request(recipe="cake"), "invalid_param", "recipe"),
    "too much inline data": (
        messages(*[{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * (14 << 20)}}] * 2),
        "payload_too_large",
        "messages.0.content.0.image_url.url",
    ),
    "one file that is too large": (
        request(audio_url="data:audio/wav;base64," + "A" * (28 << 20)),
        "payload_too_large",
        "audio_url",
    ),
    "an address inside": (request(audio_url="http://10.0.0.1/a.wav"), "url_not_fetchable", "audio_url"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_wrong_request_is_refused_with_the_field_it_lies_in(system: System, case: str) -> None:
    body, code, param = CASES[case]
    async with system.client(await system.key("wrong-" + str(list(CASES).index(case)))) as client:
        answer = await client.post("/v1/llm/generations", json=body)
        listed = (await client.get("/v1/tasks")).json()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, code, param), error
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) > 10
    assert listed["data"] == []


async def test_what_is_no_json_is_400(system: System) -> None:
    async with system.client(await system.key("scribbler")) as client:
        for text in (b"", b"{", b"hello", b'{"model": NaN}', b"\xff\xfe"):
            answer = await client.post("/v1/llm/generations", content=text)
            assert answer.status_code == 400, (text, answer.text)
            assert answer.json()["error"]["param"] == "body"
        for text in (b"[]", b"null", b"3"):
            assert (await client.post("/v1/llm/generations", content=text)).status_code == 422, text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/chat/completions", "POST"),
        ("/v1/files", "GET, POST"),
        ("/v1/session", "DELETE, GET, POST"),
        ("/docs", "GET"),
    ],
)
async def test_a_wrong_method_is_answered_with_those_that_the_path_has(system: System, path: str, allowed: str) -> None:
    async with system.client(await system.key("wrong-method")) as client:
        answer = await client.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
