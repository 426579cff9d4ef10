"""Requests that the service refuses, and the words in which it does."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import httpx2
import pytest

from tests.local.standins.gemini import media_samples
from tests.local.standins.gemini.conftest import Running

HELLO = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
Json = dict[str, Any]


def ask(wire: httpx2.Client, body: Json, model: str = "gemini-2.5-flash-lite", method: str = "generateContent") -> Json:
    answer = wire.post(f"/v1beta/models/{model}:{method}", json=body)
    error: Json = answer.json().get("error", {})
    assert answer.status_code == error.get("code", 200)
    return error


def config(**fields: Any) -> Json:
    return {**HELLO, "generationConfig": fields}


def part(**fields: Any) -> Json:
    return {"contents": [{"role": "user", "parts": [fields]}]}


def blob(content: bytes, mime_type: str) -> Json:
    return part(inlineData={"mimeType": mime_type, "data": base64.b64encode(content).decode()})


def test_both_casings_are_read_alike(shared: Running) -> None:
    data = base64.b64encode(media_samples.png()).decode()
    camel = {
        "contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": data}}, {"text": "Look"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "generationConfig": {"maxOutputTokens": 500, "topP": 0.5, "thinkingConfig": {"thinkingBudget": 512}},
        "toolConfig": {"functionCallingConfig": {"mode": "NONE"}},
    }
    words = json.dumps(camel)
    for name in ("inlineData", "mimeType", "systemInstruction", "generationConfig", "maxOutputTokens", "topP"):
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        words = words.replace(f'"{name}"', f'"{snake}"')
    url = "/v1/models/gemini-2.5-flash-lite:generateContent"
    first, second = shared.wire.post(url, json=camel), shared.wire.post(url, json=json.loads(words))
    assert first.status_code == 200
    assert first.json()["candidates"] == second.json()["candidates"]


def test_a_single_value_may_stand_for_a_list_of_one(shared: Running) -> None:
    assert (
        ask(shared.wire, {"contents": {"parts": {"text": "Hello"}}, "system_instruction": {"parts": {"text": "Hi"}}})
        == {}
    )


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({**HELLO, "foo": 1}, 'Invalid JSON payload received. Unknown name "foo": Cannot find field.', None),
        (
            {**HELLO, "generation_config": {"x": 1}},
            "Invalid JSON payload received. Unknown name \"x\" at 'generation_config': Cannot find field.",
            "generation_config",
        ),
        (
            part(text="Hello", colour="red"),
            "Invalid JSON payload received. Unknown name \"colour\" at 'contents[0].parts[0]': Cannot find field.",
            "contents[0].parts[0]",
        ),
        (
            config(temperature="hot"),
            "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
            "generation_config.temperature",
        ),
        (
            config(maxOutputTokens=1.5),
            "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), 1.5",
            "generation_config.max_output_tokens",
        ),
        (
            {**HELLO, "safetySettings": [{"category": "HARM_CATEGORY_FUN", "threshold": "BLOCK_NONE"}]},
            "Invalid value at 'safety_settings[0].category' "
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), "HARM_CATEGORY_FUN"',
            "safety_settings[0].category",
        ),
        (
            part(inlineData={"mimeType": "image/png", "data": "%%%"}),
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), \"%%%\"",
            "contents[0].parts[0].inline_data.data",
        ),
        (
            part(text="Hello", inlineData={"mimeType": "image/png", "data": ""}),
            "Invalid value at 'contents[0].parts[0]' (oneof), "
            "oneof field 'data' is already set. Cannot set 'inlineData'",
            "contents[0].parts[0]",
        ),
        (
            config(responseSchema={"type": "OBJECT", "additionalProperties": False}),
            'Invalid JSON payload received. Unknown name "additionalProperties" at '
            "'generation_config.response_schema': Cannot find field.",
            "generation_config.response_schema",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    shared: Running, body: Json, message: str, field: str | None
) -> None:
    error = ask(shared.wire, body)
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"] == message
    detail = error["details"][0]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    violation = detail["fieldViolations"][0]
    assert violation["description"] == message
    assert violation.get("field") == field


def test_all_unknown_names_are_reported_together(shared: Running) -> None:
    error = ask(shared.wire, {**HELLO, "one": 1, "two": 2})
    assert len(error["details"][0]["fieldViolations"]) == 2
    assert len(error["message"].splitlines()) == 2


def test_broken_json_is_refused(shared: Running) -> None:
    answer = shared.wire.post("/v1/models/gemini-2.5-flash-lite:generateContent", content=b'{"contents": [')
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("Invalid JSON payload received.")


@pytest.mark.parametrize(
    "content",
    [
        b'{"generationConfig": {"maxOutputTokens": ' + b"9" * 5000 + b"}}",
        b'{"contents": [{"parts": [{"text": "\\ud800"}]}]}',
        b'{"a":' * 50_000,
    ],
)
def test_json_that_cannot_be_kept_is_refused(shared: Running, content: bytes) -> None:
    for method in ("generateContent", "streamGenerateContent?alt=sse", "countTokens"):
        answer = shared.wire.post(f"/v1beta/models/gemini-2.5-flash-lite:{method}", content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"].startswith("Invalid JSON payload received.")


def test_unknown_query_parameters_are_refused(shared: Running) -> None:
    answer = shared.wire.get("/v1/models?colour=red")
    assert answer.status_code == 400
    assert "Cannot bind query parameter" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts: contents.parts must not be empty"),
        (
            {"contents": [{"role": "user", "parts": [{}]}]},
            "required oneof field 'data' must have one initialized field",
        ),
        ({"contents": [{"role": "system", "parts": [{"text": "Hi"}]}]}, "Please use a valid role: user, model."),
        (config(temperature=2.1), "temperature must be in the range [0.0, 2.0]"),
        (config(temperature=-0.1), "temperature must be in the range [0.0, 2.0]"),
        (config(topP=1.1), "top_p must be in the range [0.0, 1.0]"),
        (config(topK=0), "top_k must be positive"),
        (config(candidateCount=0), "candidate_count must be in the range [1, 8]"),
        (config(candidateCount=9), "candidate_count must be in the range [1, 8]"),
        (config(maxOutputTokens=0), "max_output_tokens must be positive"),
        (config(maxOutputTokens=65_537), "the supported range is from 1 (inclusive) to 65537 (exclusive)"),
        (config(presencePenalty=2), "presence_penalty must be in the range [-2.0, 2.0)"),
        (config(stopSequences=list("abcdef")), "must not exceed 5"),
        (config(stopSequences=[""]), "stop_sequences[0]"),
        (config(responseMimeType="text/html"), "allowed mimetypes are `text/plain`, `application/json`"),
        (config(responseSchema={"type": "STRING"}), "only allowed with the response_mime_type"),
        (config(responseMimeType="text/x.enum"), "required with the response_mime_type `text/x.enum`"),
        (config(responseModalities=["AUDIO"]), "The requested combination of response modalities (AUDIO)"),
        (config(thinkingConfig={"thinkingBudget": 24_577}), "Please choose a value between 512 and 24576"),
        (config(thinkingConfig={"thinkingLevel": "LOW"}), "Thinking level is not supported for this model"),
        (config(responseLogprobs=True), "Logprobs is not enabled"),
        (part(fileData={"fileUri": "gs://bucket/object"}), "Cannot fetch content from the provided URL"),
        (part(fileData={"fileUri": "https://www.youtube.com/watch?v=x"}), "Cannot fetch content"),
        (blob(b"PK\3\4", "application/zip"), "Unsupported MIME type: application/zip"),
        (blob(b"not a picture", "image/png"), "Unable to process input image"),
        (blob(b"", "image/png"), "data must not be empty"),
        (blob(media_samples.pdf(), "application/pdf"), "The document has no pages"),
        ({**HELLO, "tools": [{"googleSearchRetrieval": {}}]}, "Please use google_search tool instead"),
        ({**HELLO, "tools": [{"functionDeclarations": [{"name": "1st"}]}]}, "Invalid function name"),
        (
            {**HELLO, "tools": [{"functionDeclarations": [{"name": "a", "parameters": {"type": "OBJECT"}}]}]},
            "parameters.properties: should be non-empty for OBJECT type",
        ),
        (
            {**HELLO, "tools": [{"functionDeclarations": [{"name": "a"}, {"name": "a"}]}]},
            "Duplicate function declaration found: a",
        ),
        (
            {**HELLO, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
            "Function calling config is set without function_declarations",
        ),
        (
            {"contents": [{"role": "user", "parts": [{"functionResponse": {"name": "a", "response": {}}}]}]},
            "function response turn comes immediately after a function call turn",
        ),
    ],
)
def test_what_is_out_of_range_is_refused_in_the_services_words(shared: Running, body: Json, words: str) -> None:
    error = ask(shared.wire, body)
    assert error["status"] == "INVALID_ARGUMENT"
    assert words in error["message"]


@pytest.mark.parametrize(
    ("model", "thinking", "words"),
    [
        ("gemini-2.5-flash-lite", {"thinkingBudget": 100}, "Please choose a value between 512 and 24576"),
        ("gemini-3.5-transcribe", {"thinkingBudget": 100}, "Thinking is not enabled for models/gemini-3.5-transcribe"),
        ("gemini-3.1-pro-preview", {"thinkingBudget": 200, "thinkingLevel": "LOW"}, "only one of thinking budget"),
        ("gemini-3.8-flash", {"thinkingLevel": "MINIMAL"}, "Thinking level MINIMAL is not supported"),
        ("gemini-4-argon", {"thinkingLevel": "MINIMAL"}, "Thinking level MINIMAL is not supported"),
        ("gemini-4-argon", {"thinkingBudget": 1024}, "Thinking budget is not supported"),
    ],
)
def test_thinking_is_configured_as_the_model_allows(shared: Running, model: str, thinking: Json, words: str) -> None:
    assert words in ask(shared.wire, config(thinkingConfig=thinking), model)["message"]


def test_thinking_that_the_model_allows_is_taken(shared: Running) -> None:
    assert ask(shared.wire, config(thinkingConfig={"thinkingBudget": -1})) == {}
    assert ask(shared.wire, config(thinkingConfig={"thinkingLevel": "low"}), "gemini-3.1-pro-preview") == {}
    assert ask(shared.wire, config(thinkingConfig={"thinkingLevel": "MINIMAL"}), "gemini-3-flash-preview") == {}


def test_a_file_that_is_not_there_is_forbidden(shared: Running) -> None:
    error = ask(shared.wire, part(fileData={"fileUri": f"{shared.url}/v1beta/files/nothing"}))
    assert error["status"] == "PERMISSION_DENIED"
    assert error["message"] == "You do not have permission to access the File nothing or it may not exist."


def test_a_model_that_cannot_hear_refuses_audio(shared: Running) -> None:
    error = ask(shared.wire, blob(media_samples.wav(1), "audio/wav"), "gemini-3-pro-image")
    assert "Audio input modality is not enabled for models/gemini-3-pro-image" in error["message"]


def test_a_request_over_20_mb_is_refused(shared: Running) -> None:
    error = ask(shared.wire, part(text="x" * (20 * 1024**2)))
    assert error["message"] == "Request payload size exceeds the limit: 20971520 bytes."


def test_a_prompt_over_the_context_window_is_refused(shared: Running) -> None:
    error = ask(shared.wire, part(text="x" * 65_536 * 4 + "xx"), "gemini-3-pro-image")
    assert error["message"] == "The input token count (65537) exceeds the maximum number of tokens allowed (65536)."


def test_a_pdf_over_1000_pages_is_refused(shared: Running) -> None:
    error = ask(shared.wire, blob(media_samples.pdf(*["p"] * 1001), "application/pdf"))
    assert error["message"] == "The document contains 1001 pages which exceeds the supported page limit of 1000."


@pytest.mark.long
def test_audio_over_nine_and_a_half_hours_is_refused_also_in_pieces(shared: Running) -> None:
    half = {"inlineData": {"mimeType": "audio/wav", "data": base64.b64encode(media_samples.wav(17_200, 100)).decode()}}
    assert "9.5 hours" in ask(shared.wire, {"contents": [{"parts": [half, half]}]})["message"]
    assert ask(shared.wire, {"contents": [{"parts": [half]}]}) == {}


def test_random_mutations_of_a_request_never_break_the_stand_in(shared: Running) -> None:
    chance = random.Random(5)
    seeds: list[Any] = [None, 1, -1, 1e400, "", "x", [], {}, [[]], [None], {"a": None}, True, "9" * 30]
    names = [
        "contents",
        "tools",
        "toolConfig",
        "generationConfig",
        "safetySettings",
        "systemInstruction",
        "cachedContent",
    ]
    for _ in range(150):
        body: Json = {**HELLO, chance.choice(names): chance.choice(seeds)}
        if chance.random() < 0.5:
            field = chance.choice(["temperature", "responseSchema", "responseJsonSchema", "stopSequences", "seed"])
            form = chance.choice(["application/json", "text/plain"])
            body["generationConfig"] = {field: chance.choice(seeds), "responseMimeType": form}
        content = json.dumps(body).replace("Infinity", "1e400")
        answer = shared.wire.post("/v1/models/gemini-2.5-flash-lite:generateContent", content=content)
        assert answer.status_code in (200, 400, 403), content
