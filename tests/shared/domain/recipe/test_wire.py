"""What a recipe becomes on the wire: the Gemini API's own names, taken by the client library without complaint."""

from __future__ import annotations

from typing import Any, cast

import pytest
from google.genai import types

from shared.domain.answer.response import Json
from shared.domain.media import Family
from shared.domain.recipe.book import BUILT_IN
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.wire import PreparedFile, request, unstructured


def body(recipe: Recipe, *families: Family) -> dict[str, Any]:
    kinds = {"audio": "audio/mp3", "image": "image/png", "video": "video/mp4", "pdf": "application/pdf"}
    files = [PreparedFile(kinds[family], f"https://files/{index}") for index, family in enumerate(families)]
    question = recipe.questions[0]
    return cast(dict[str, Any], request(recipe, question, question.prompt, files))


def recipe(**fields: object) -> Recipe:
    return Recipe.model_validate({"name": "x", "takes": ["audio", "image", "video"], "prompt": "Say it.", **fields})


def test_a_plain_recipe_is_the_file_and_then_the_words() -> None:
    assert body(recipe(), "audio") == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"fileData": {"mimeType": "audio/mp3", "fileUri": "https://files/0"}},
                    {"text": "Say it."},
                ],
            }
        ]
    }


def test_every_setting_has_its_name_on_the_wire() -> None:
    wide = recipe(
        model="gemini-3-flash-preview",
        system="Be brief.",
        parameters={
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "max_tokens": 100,
            "seed": 7,
            "stop": ["END"],
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
        },
        thinking={"level": "low", "include": True},
        media_resolution="low",
        safety={"harassment": "block_none", "hate_speech": "off"},
        tools=["code_execution", "google_search", "url_context"],
        functions=[{"name": "file_ticket", "description": "Files a ticket"}],
        response_schema={"type": "object"},
    )
    sent = body(wide, "audio")

    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "maxOutputTokens": 100,
        "seed": 7,
        "stopSequences": ["END"],
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object"},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }
    assert sent["tools"] == [
        {"codeExecution": {}},
        {"googleSearch": {}},
        {"urlContext": {}},
        {"functionDeclarations": [{"name": "file_ticket", "description": "Files a ticket"}]},
    ]
    assert sent["safetySettings"] == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
        {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"},
    ]


@pytest.mark.parametrize(
    ("model", "thinking", "sent"),
    [
        ("gemini-2.5-flash", "off", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "dynamic", {"thinkingBudget": -1}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-3.1-pro-preview", "low", {"thinkingLevel": "LOW"}),
        ("gemini-3.5-transcribe", "off", None),
    ],
)
def test_thinking_is_asked_for_as_the_model_knows_it(model: str, thinking: str, sent: Json | None) -> None:
    config = body(recipe(model=model, thinking=thinking), "audio").get("generationConfig", {})
    assert config.get("thinkingConfig") == sent


def test_functions_are_declared_where_any_json_schema_is_taken() -> None:
    schema = {"type": "object", "properties": {"unit": {"type": ["string", "null"], "const": "C"}}}
    expected = {"type": "object", "properties": {"unit": {"type": ["string", "null"], "enum": ["C"]}}}
    asked = recipe(functions=[{"name": "weather", "parameters": schema, "response": schema}, {"name": "stop"}])
    sent = body(asked, "audio")["tools"]
    assert sent == [
        {
            "functionDeclarations": [
                {"name": "weather", "parametersJsonSchema": expected, "responseJsonSchema": expected},
                {"name": "stop"},
            ]
        }
    ]
    assert types.Tool.model_validate(sent[0]).function_declarations


def test_only_the_word_const_becomes_an_enum_not_what_is_named_so() -> None:
    kind = {"anyOf": [{"const": 1}, {"const": 2, "enum": [2, 3]}], "default": {"const": 1}}
    schema = {"type": "object", "properties": {"const": {"type": "string"}, "kind": kind}}
    sent = body(recipe(response_schema=schema), "audio")["generationConfig"]["responseJsonSchema"]
    assert sent["properties"] == {
        "const": {"type": "string"},
        "kind": {"anyOf": [{"enum": [1]}, {"enum": [2, 3]}], "default": {"const": 1}},
    }


def test_a_range_of_a_video_is_sent_as_offsets() -> None:
    part = body(recipe(range="02:30-03:29"), "video")["contents"][0]["parts"][0]
    assert part["videoMetadata"] == {"startOffset": "150s", "endOffset": "209s"}


def test_a_range_of_a_recording_is_named_in_the_prompt() -> None:
    parts = body(recipe(range="02:30-03:29"), "audio")["contents"][0]["parts"]
    assert "videoMetadata" not in parts[0]
    assert parts[1]["text"] == "Say it.\n\nKeep to the part from 02:30 to 03:29."


def test_a_prompt_that_names_the_range_is_left_alone() -> None:
    asked = recipe(range="02:30-03:29", prompt="Transcribe 02:30 to 03:29.")
    assert body(asked, "audio")["contents"][0]["parts"][1]["text"] == "Transcribe 02:30 to 03:29."


def test_the_highest_resolution_is_set_on_the_picture_itself() -> None:
    sent = body(recipe(model="gemini-3.1-pro-preview", media_resolution="ultra_high"), "image", "audio")
    parts = sent["contents"][0]["parts"]
    assert parts[0]["mediaResolution"] == {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}
    assert "mediaResolution" not in parts[1]
    assert "generationConfig" not in sent


def test_several_files_come_in_order_before_the_words() -> None:
    parts = body(recipe(), "image", "image", "audio")["contents"][0]["parts"]
    assert [part.get("fileData", {}).get("fileUri") for part in parts] == [
        "https://files/0",
        "https://files/1",
        "https://files/2",
        None,
    ]


def test_a_continuation_is_asked_for_without_the_form() -> None:
    sent = unstructured(body(recipe(response_schema={"type": "array"}, parameters={"seed": 1}), "audio"))
    assert sent["generationConfig"] == {"seed": 1}


@pytest.mark.parametrize("shipped", BUILT_IN, ids=lambda recipe: recipe.name)
def test_the_client_library_takes_what_every_shipped_recipe_sends(shipped: Recipe) -> None:
    sent = body(shipped, "audio")
    config = {**sent.get("generationConfig", {}), "systemInstruction": sent.get("systemInstruction")}
    types.GenerateContentConfig.model_validate(config)
    assert types.Content.model_validate(sent["contents"][0]).parts
