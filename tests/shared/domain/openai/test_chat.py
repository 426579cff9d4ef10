"""Bodies of OpenAI's clients, turned into requests of ours."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import FieldRefused
from shared.domain.openai.chat import ChatRequest, Located, named_files, read_chat
from shared.domain.openai.schema_keywords import without_unknown_keywords

TASK, FILE = "task-llm-1776874565-yq3szvcu", "file-" + "0a" * 16


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "Hello"}], **fields}


def parts(*content: dict[str, Any]) -> dict[str, Any]:
    return chat(messages=[{"role": "user", "content": list(content)}])


def content_of(request: ChatRequest) -> Any:
    messages: Any = request.body["messages"]
    return messages[0]["content"]


def test_fields_with_a_meaning_are_passed_on_and_the_others_named() -> None:
    request = read_chat(chat(max_completion_tokens=5, user="me", top_p=0.5, n=3, stop=None, tools=[]), {})
    assert request.body["max_tokens"] == 5
    assert (request.body["top_p"], request.body["n"]) == (0.5, 3)
    assert request.ignored == ("user",)


@pytest.mark.parametrize(
    "place",
    [{"extra_body": {"google": {"x": 1}}}, {"google": {"x": 1}}, {"google": {"x": 1}, "extra_body": {"google": None}}],
)
def test_geminis_own_settings_are_found_where_either_client_puts_them(place: dict[str, Any]) -> None:
    assert read_chat(chat(**place), {}).body["extra_body"] == {"google": {"x": 1}}


def test_what_else_is_in_extra_body_is_named_as_ignored() -> None:
    request = read_chat(chat(google={"x": 1}, extra_body={"seed": 4, "cache": None, "a": []}), {})
    assert request.body["extra_body"] == {"google": {"x": 1}}
    assert request.ignored == ("extra_body.a", "extra_body.seed")
    assert read_chat(chat(extra_body="odd"), {}).ignored == ("extra_body",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"extra_body": {"cached_content": "cachedContents/a"}}, "extra_body.cached_content"),
        ({"extra_body": {"google": {"x": 1}}, "google": {"x": 2}}, "google"),
    ],
)
def test_settings_of_gemini_that_would_have_no_effect_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(FieldRefused) as refused:
        read_chat(chat(**fields), {})
    assert refused.value.param == param


def test_files_and_tasks_are_named_anywhere_in_a_part() -> None:
    body = parts(
        {"type": "file", "file": {"file_id": FILE}},
        {"type": "input_audio", "input_audio": {"data": TASK, "format": "wav"}},
        {"type": "image_url", "image_url": FILE},
        {"type": "text", "text": "what?"},
    )
    assert named_files(body) == [FILE, TASK]
    files = {FILE: Located("gs://b/f", 7), TASK: Located("gs://b/t", 8)}
    content = content_of(read_chat(body, files))
    assert content[0] == {"type": "file_url", "file_url": {"url": "gs://b/f", "generation": "7"}}
    assert content[1] == {"type": "audio_url", "audio_url": {"url": "gs://b/t", "generation": "8"}}
    assert content[2] == {"type": "image_url", "image_url": {"url": "gs://b/f", "generation": "7"}}


def test_data_without_its_prefix_gets_the_type_of_its_name() -> None:
    body = parts({"type": "file", "file": {"file_data": "QUJD", "filename": "a.png"}})
    [part] = content_of(read_chat(body, {}))
    assert part["file_url"]["url"] == "data:image/png;base64,QUJD"


def test_a_refusal_that_a_client_sends_back_is_what_the_assistant_said() -> None:
    said: dict[str, Any] = {"role": "assistant", "content": None, "refusal": "No.", "audio": None, "annotations": []}
    asked = {"role": "user", "content": "Why?"}
    assert read_chat(chat(messages=[said, asked]), {}).body["messages"] == [
        {"role": "assistant", "content": "No."},
        asked,
    ]


@pytest.mark.parametrize("before", [[], [{"role": "user", "content": "Where am I?"}]])
def test_instructions_at_the_end_are_asked_as_a_question(before: list[Any]) -> None:
    messages = [{"role": "system", "content": "Be brief."}, *before, {"role": "developer", "content": "Name a river."}]
    assert read_chat(chat(messages=messages), {}).body["messages"] == [
        *messages[:-1],
        {"role": "user", "content": "Name a river."},
    ]


@pytest.mark.parametrize("content", ["", " \n", None, [], [{"type": "text", "text": " "}]])
def test_a_blank_system_message_at_the_end_is_no_question(content: Any) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hel"}]
    body: Any = read_chat(chat(messages=[*messages, {"role": "system", "content": content}]), {}).body
    assert body["messages"][-1]["role"] == "system"


@pytest.mark.parametrize("fields", [{"functions": [{}]}, {"messages": None}, {"tools": [{"type": "mcp"}]}])
def test_what_cannot_be_done_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(FieldRefused):
        read_chat(chat(**fields), {})


def test_a_schema_keeps_geminis_keywords_and_properties_of_any_name() -> None:
    dropped: set[str] = set()
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "^a", "minLength": 1},
            "x": {"$ref": "#/definitions/X"},
        },
        "definitions": {"X": {"allOf": [{"type": "integer"}], "multipleOf": 2, "nullable": True}},
    }
    assert without_unknown_keywords(schema, dropped) == {
        "type": "object",
        "properties": {"pattern": {"type": "string"}, "x": {"$ref": "#/$defs/X"}},
        "$defs": {"X": {"type": ["integer", "null"]}},
    }
    assert dropped == {"pattern", "minLength", "multipleOf"}


def test_what_stands_beside_a_reference_is_kept() -> None:
    schema: dict[str, Any] = {"$ref": "#/$defs/X", "description": "An X"}
    assert without_unknown_keywords(schema, set()) == {"description": "An X", "anyOf": [{"$ref": "#/$defs/X"}]}
