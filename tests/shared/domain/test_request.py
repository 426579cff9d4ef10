"""A request as it is read, checked, and turned into what Gemini is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.domain.errors import RequestRefused
from shared.domain.request import Handed, body, completed, inputs_of, overridden, read, unfit
from shared.domain.request.schema import as_stored, payload_digest
from shared.domain.request.tasks import id_of_object, manifest_owner, object_name

DATA = "data:audio/wav;base64,AAAA"
FILE = Handed("audio/wav", uri="https://files/a")


def asked(**fields: Any) -> dict[str, Any]:
    """What Gemini is asked for a recording and these fields."""
    submission = read(json.dumps({"model": "gemini-2.5-flash", "audio_url": DATA, **fields}).encode())
    return dict(body(submission, [FILE]))


def test_a_recording_comes_before_the_prompt_which_has_a_default() -> None:
    parts = asked()["contents"][0]["parts"]
    assert parts[0] == {"fileData": {"mimeType": "audio/wav", "fileUri": "https://files/a"}}
    assert parts[1] == {"text": "Please transcribe this audio file"}


def test_an_empty_prompt_is_a_prompt() -> None:
    assert asked(prompt="")["contents"][0]["parts"][1] == {"text": ""}


def test_parameters_have_geminis_names() -> None:
    config = asked(temperature=0.5, top_p=0.9, top_k=3, max_tokens=7, seed=1, stop="x", presence_penalty=1)
    assert config["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "maxOutputTokens": 7,
        "seed": 1,
        "stopSequences": ["x"],
        "presencePenalty": 1.0,
    }


def test_names_within_a_schema_stay_as_they_are() -> None:
    schema = {"type": "object", "properties": {"first_name": {"type": "string"}}, "required": ["first_name"]}
    config = asked(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
    assert config["generationConfig"]["responseJsonSchema"] == schema
    assert config["generationConfig"]["responseMimeType"] == "application/json"


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}),
        ("gemini-3-pro-preview", {"reasoning_effort": "high"}, {"thinkingLevel": "HIGH"}),
        ("gemini-2.5-pro", {"reasoning": True}, {"includeThoughts": True}),
        (
            "gemini-2.5-flash",
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": 800, "include_thoughts": True}}}},
            {"thinkingBudget": 800, "includeThoughts": True},
        ),
    ],
)
def test_thinking_is_set_as_the_model_knows_it(model: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(model=model, **fields)["generationConfig"]["thinkingConfig"] == expected


def test_a_conversation_with_tools_keeps_its_turns() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}, {"type": "input_audio", "input_audio": {
            "data": "AAAA", "format": "mp3"}}]},
        {"role": "assistant", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]  # fmt: skip
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    submission = read(
        json.dumps(
            {"model": "gemini-2.5-flash", "messages": messages, "tools": tools, "tool_choice": "required"}
        ).encode()
    )
    request = body(submission, [FILE])
    assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert request["contents"] == [
        {"role": "user", "parts": [{"text": "Weather?"}, FILE.part]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Ulm"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "sunny"}}}]},
    ]
    assert request["tools"] == [
        {"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}
    ]
    assert request["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_a_request_is_stored_so_that_it_reads_the_same_again() -> None:
    text = json.dumps(
        {
            "model": "gemini-2.5-flash",
            "audio_url": DATA,
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
            "metadata": {"a": "b"},
        }
    ).encode()
    assert read(as_stored(read(text))) == read(text)


def test_the_digest_is_of_what_is_said_not_of_how_it_is_spelled() -> None:
    assert payload_digest(b'{"a": 1, "b": [2]}') == payload_digest(b'{"b":[2],"a":1}')
    assert payload_digest(b'{"a": 1}') != payload_digest(b'{"a": 2}')


def test_a_rerun_replaces_fields_and_null_removes_one() -> None:
    kept = json.dumps({"model": "m", "audio_url": DATA, "prompt": "p", "seed": 1}).encode()
    changed = json.loads(overridden(kept, b'{"model": "n", "seed": null}'))
    assert changed == {"model": "n", "audio_url": DATA, "prompt": "p"}
    messages = json.loads(overridden(kept, b'{"messages": [{"role": "user", "content": "hi"}]}'))
    assert "audio_url" not in messages
    assert "prompt" not in messages


def test_a_well_formed_name_that_is_newer_than_the_catalogue_is_left_to_the_service() -> None:
    submission = read(json.dumps({"model": "gemini-9.5-flash", "audio_url": DATA}).encode())
    assert unfit(submission, inputs_of(submission)) is None


def test_a_recipe_speaks_where_the_request_is_silent() -> None:
    submission = completed(
        read(json.dumps({"model": "gemini-2.5-flash", "audio_url": DATA, "recipe": "transcribe"}).encode())
    )
    assert submission.prompt
    own = completed(
        read(
            json.dumps(
                {"model": "gemini-2.5-flash", "audio_url": DATA, "recipe": "transcribe", "prompt": "Mine"}
            ).encode()
        )
    )
    assert own.prompt == "Mine"


def test_the_name_of_an_object_tells_whose_request_it_is() -> None:
    task_id = "task-llm-1776874565-yq3szvcu"
    assert id_of_object(object_name(task_id)) == task_id
    assert id_of_object(f"api/{task_id}.json.bak") is None
    assert id_of_object(f"x/api/{task_id}.json") is None
    assert manifest_owner("manifests/billing/may.json") == "manifests:billing"
    assert manifest_owner("manifests/may.json") == "manifests:"
    assert manifest_owner("manifests/billing/may.txt") is None
    assert manifest_owner("api/manifests/x.json") is None


def test_what_is_refused_never_repeats_inline_data() -> None:
    secret = "c2VjcmV0" * 100
    with pytest.raises(RequestRefused) as raised:
        read(json.dumps({"model": "m", "audio_url": {"url": f"data:audio/wav;base64,{secret}"}}).encode())
    assert secret[:20] not in str(raised.value)
