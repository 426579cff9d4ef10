"""A request as it is read, checked, and turned into what Gemini is asked."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from shared.domain.errors import RequestRefused
from shared.domain.recipe.book import BUILT_IN
from shared.domain.recipe.definition import TRANSCRIBE_PROMPT, Recipe
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.rerun import resolve_rerun
from shared.domain.request.schema import as_stored, payload_digest, read, replace_fields
from shared.domain.request.tasks import id_of_object, manifest_owner, object_name
from shared.domain.request.to_recipe import resolve_recipe
from shared.domain.request.validation import read_and_check
from shared.domain.request.wire import body

TODAY = date(2026, 11, 26)
DATA = "data:audio/wav;base64,AAAA"
FILE = PreparedFile("audio/wav", uri="https://files/a")


def asked(**fields: Any) -> dict[str, Any]:
    """What Gemini is asked for a recording and these fields."""
    submission = read(json.dumps({"model": "gemini-2.5-flash", "audio_url": DATA, **fields}).encode())
    return dict(body(resolve_recipe(submission), [FILE]))


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
        ("gemini-3.1-pro-preview", {"reasoning_effort": "high"}, {"thinkingLevel": "HIGH"}),
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
    request = body(resolve_recipe(submission), [FILE])
    assert request["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert request["contents"] == [
        {
            "role": "user",
            "parts": [{"text": "Weather?"}, {"fileData": {"mimeType": "audio/wav", "fileUri": "https://files/a"}}],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Ulm"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "sunny"}}}]},
    ]
    assert request["tools"] == [
        {"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object"}}]}
    ]
    assert request["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_words_of_the_user_stand_before_the_answers_of_tools_in_the_same_turn() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": "In one word."},
    ]
    submission = read(json.dumps({"model": "gemini-3.5-flash-lite", "messages": messages}).encode())
    contents: Any = body(resolve_recipe(submission))["contents"]
    assert [next(iter(part)) for part in contents[-1]["parts"]] == ["text", "functionResponse"]


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
    changed = json.loads(replace_fields(kept, b'{"model": "n", "seed": null}'))
    assert changed == {"model": "n", "audio_url": DATA, "prompt": "p"}
    messages = json.loads(replace_fields(kept, b'{"messages": [{"role": "user", "content": "hi"}]}'))
    assert "audio_url" not in messages
    assert "prompt" not in messages


def test_a_well_formed_name_that_is_newer_than_the_catalogue_is_left_to_the_service() -> None:
    text = json.dumps({"model": "gemini-9.5-flash", "audio_url": DATA}).encode()
    assert read_and_check(text, TODAY).recipe.model == "gemini-9.5-flash"


def test_a_recipe_speaks_where_the_request_is_silent() -> None:
    fields = {"model": "gemini-2.5-flash", "audio_url": DATA, "recipe": "transcribe-timed"}
    silent = resolve_recipe(read(json.dumps(fields).encode()))
    assert silent.messages[-1].text.startswith("Transcribe this recording")
    assert silent.recipe.transcript
    own = resolve_recipe(read(json.dumps({**fields, "prompt": "Mine"}).encode()))
    assert own.messages[-1].text == "Mine"
    assert not own.recipe.transcript, "another question's answer is not compared with the recording"


@pytest.mark.parametrize(
    ("fields", "transcript", "outputs"),
    [
        ({"audio_url": DATA}, True, ("md",)),
        ({"audio_url": DATA, "prompt": TRANSCRIBE_PROMPT}, True, ("md",)),
        ({"audio_url": DATA, "prompt": "Who speaks?"}, False, ("md",)),
        ({"audio_url": DATA, "response_format": {"type": "text"}}, False, ("md",)),
        ({"audio_url": DATA, "response_format": {"type": "json_object"}}, False, ("json",)),
        ({"messages": [{"role": "user", "content": "Hi"}]}, False, ("md",)),
    ],
)
def test_a_request_that_names_no_recipe_has_an_anonymous_one(
    fields: dict[str, Any], transcript: bool, outputs: tuple[str, ...]
) -> None:
    recipe = resolve_recipe(read(json.dumps({"model": "gemini-2.5-flash", **fields}).encode())).recipe
    assert (recipe.name, recipe.model, recipe.prompt) == ("request", "gemini-2.5-flash", "")
    assert (recipe.transcript, recipe.outputs) == (transcript, outputs)


def test_any_json_is_asked_for_without_a_schema() -> None:
    config = asked(response_format={"type": "json_object"})["generationConfig"]
    assert config == {"responseMimeType": "application/json"}


def named(recipe: str, *uris: str, **fields: Any) -> bytes:
    """A request that names a recipe, about files."""
    parts = [{"type": "file_url", "file_url": {"url": uri}} for uri in uris]
    messages = fields.pop("messages", [{"role": "user", "content": parts}])
    return json.dumps({"model": "gemini-2.5-flash", "recipe": recipe, "messages": messages, **fields}).encode()


def test_a_recipes_prompt_is_filled_with_the_requests_metadata() -> None:
    request = resolve_recipe(read(named("detect", "gs://box/a.png", metadata={"find": "cups"})))
    assert request.messages[-1].text.startswith("Detect cups in the image.")


def test_a_recipes_prompt_stands_behind_what_the_user_said_last() -> None:
    part = {"type": "file_url", "file_url": {"url": "gs://box/a.png"}}
    turns = [
        {"role": "user", "content": [part]},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    request = resolve_recipe(read(named("caption", messages=turns)))
    assert [message.text for message in request.messages] == ["Caption this image.", "", "done"]


@pytest.mark.parametrize("fields", [{"reasoning": True}, {"reasoning_effort": "none"}])
def test_a_model_that_does_not_think_is_not_refused_for_thoughts_that_it_does_not_have(fields: dict[str, Any]) -> None:
    asked = named("transcribe", "gs://box/a.mp3", **{**fields, "model": "gemini-3.5-transcribe"})
    sent = body(read_and_check(asked, TODAY), [PreparedFile("audio/mpeg", uri="https://files/a")])
    assert "thinkingConfig" not in dict(sent.get("generationConfig") or {})  # type: ignore[arg-type]


def test_a_recipes_server_tools_reach_the_model_beside_the_requests_functions() -> None:
    tools = [{"type": "function", "function": {"name": "note", "parameters": {"type": "object"}}}]
    request = resolve_recipe(read(named("caption", "gs://box/a.png", tools=tools)))
    armed = request.recipe.model_copy(update={"tools": ("code_execution", "google_search", "url_context")})
    files = [PreparedFile("image/png", uri="https://files/a")]
    assert body(request._replace(recipe=armed), files)["tools"] == [
        {"codeExecution": {}},
        {"googleSearch": {}},
        {"urlContext": {}},
        {"functionDeclarations": [{"name": "note", "parametersJsonSchema": {"type": "object"}}]},
    ]


@pytest.mark.parametrize(
    ("request_", "param", "says"),
    [
        (named("none-such", "gs://box/a.png"), "recipe", "There are: transcribe"),
        (named("detect", "gs://box/a.mp3"), "messages.0.content.0.file_url.url", "detect takes image"),
        (named("detect", "gs://box/a.png", "gs://box/b.png"), "recipe", "drawn on one image"),
        (named("caption", messages=[{"role": "user", "content": "x"}]), "recipe", "has no file"),
        (named("compare", "gs://box/a.png"), "messages", "two files"),
        (named("ask", "gs://box/a.png"), "prompt", "needs a prompt"),
        (named("extract", "gs://box/a.png"), "response_format", "json_schema"),
        (named("segment", "gs://box/a.mp3"), "metadata.dropsight-range", "a part of the recording"),
        (
            named("segment", "gs://box/a.mp3", metadata={"dropsight-range": "2"}),
            "metadata.dropsight-range",
            "no time range",
        ),
        (
            named("ask", "gs://box/a.pdf", "gs://box/b.pdf", metadata={"dropsight-outputs": "exe"}),
            "metadata.dropsight-outputs",
            "Input should be",
        ),
        (named("segment-image", "gs://box/a.png", model="gemini-3.1-pro-preview"), "model", "masks"),
        (named("caption", "gs://box/a.png", model="gemini-1.5-pro"), "model", "Use gemini-"),
        (named("caption", "gs://box/a.png", max_tokens=10**6), "max_tokens", "at most"),
    ],
)
def test_what_a_recipe_cannot_do_for_a_request_is_refused_by_the_field_that_wants_it(
    request_: bytes, param: str, says: str
) -> None:
    with pytest.raises(RequestRefused, match=says) as refused:
        read_and_check(request_, TODAY)
    assert (refused.value.status, refused.value.param) == (422, param)


def recipe_named(name: str) -> Recipe:
    return next(recipe for recipe in BUILT_IN if recipe.name == name)


@pytest.mark.parametrize(
    ("before", "uri", "changes", "says"),
    [
        ("transcribe", "gs://box/a.mp3", {"recipe": "detect"}, "detect takes image, this is audio"),
        ("transcribe", "gs://box/a.mp3", {"recipe": "extract"}, "response_format"),
        ("transcribe", "gs://box/a.mp3", {"metadata": {"dropsight-outputs": "json"}}, "structured answer"),
    ],
)
def test_a_rerun_with_a_recipe_that_is_not_for_the_file_is_refused(
    before: str, uri: str, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(RequestRefused, match=says):
        resolve_rerun(recipe_named(before).ran(), uri, json.dumps(changes).encode())


def test_a_rerun_gives_a_recipe_what_it_needs() -> None:
    changes = {"recipe": "segment", "metadata": {"dropsight-range": "00:10-00:20"}}
    ran, _ = resolve_rerun(recipe_named("transcribe").ran(), "gs://box/a.mp3", json.dumps(changes).encode())
    assert ran is not None
    assert ran.recipe == "segment"
    assert Recipe.model_validate(ran.snapshot).range is not None


def test_a_rerun_with_a_name_that_lies_is_left_to_the_files_content() -> None:
    ran, _ = resolve_rerun(recipe_named("describe-image").ran(), "gs://box/photo.txt", b'{"recipe": "detect"}')
    assert ran is not None
    assert ran.recipe == "detect"


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
