"""What a model cannot do of what a request asks is refused by the request's own field, with a recipe or without."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from shared.domain.errors import PermanentFailure, RequestRefused
from shared.domain.media import Facts
from shared.domain.media import media_type as media_type_of
from shared.domain.request.validation import read_and_check, refuse_file

TODAY = date(2026, 11, 26)
CONFIG = "extra_body.google.thinking_config"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FORM = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}


def thinking(**config: Any) -> dict[str, Any]:
    return {"extra_body": {"google": {"thinking_config": config}}}


def body(**fields: Any) -> bytes:
    return json.dumps({"audio_url": "gs://box/a.mp3", **fields}).encode()


@pytest.mark.parametrize("recipe", [{}, {"recipe": "transcribe"}], ids=["anonymous", "named"])
@pytest.mark.parametrize(
    ("model", "fields", "code", "param"),
    [
        ("gemini-1.5-pro", {}, "no_available_model", "model"),
        ("gpt-4o", {}, "no_available_model", "model"),
        ("gemini-2.5-flash-preview-tts", {}, "model_not_support_capability", "model"),
        ("gemini-3.5-transcribe", {"tools": [TOOL]}, "model_not_support_capability", "tools"),
        ("gemini-3.5-transcribe", {"response_format": FORM}, "model_not_support_capability", "response_format"),
        ("gemini-3.5-transcribe", {"reasoning_effort": "low"}, "model_not_support_capability", "reasoning_effort"),
        ("gemini-3.5-transcribe", thinking(include_thoughts=True), "model_not_support_capability", CONFIG),
        ("gemini-2.5-pro", {"reasoning_effort": "none"}, "model_not_support_capability", "reasoning_effort"),
        ("gemini-2.5-pro", thinking(thinking_level="low"), "model_not_support_capability", f"{CONFIG}.thinking_level"),
        (
            "gemini-4-argon",
            thinking(thinking_level="xhigh"),
            "model_not_support_capability",
            f"{CONFIG}.thinking_level",
        ),
        ("gemini-2.5-pro", thinking(thinking_budget=10**6), "invalid_param", f"{CONFIG}.thinking_budget"),
        ("gemini-3.8-flash", thinking(thinking_budget=8), "model_not_support_capability", f"{CONFIG}.thinking_budget"),
        ("gemini-2.5-flash", {"tools": [TOOL], "response_format": FORM}, "model_not_support_capability", "tools"),
        ("gemini-3.8-flash", {"presence_penalty": 1}, "invalid_param", "presence_penalty"),
        ("gemini-3.8-flash", {"frequency_penalty": 1, "presence_penalty": 0}, "invalid_param", "frequency_penalty"),
        ("gemini-3.8-flash", {"max_tokens": 10**6}, "invalid_param", "max_tokens"),
    ],
)
def test_what_a_model_cannot_do_is_refused_by_the_field_that_asks_for_it(
    model: str, fields: dict[str, Any], code: str, param: str, recipe: dict[str, str]
) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_and_check(body(model=model, **fields, **recipe), TODAY)
    assert (refused.value.status, refused.value.code, refused.value.param) == (422, code, param)


@pytest.mark.parametrize("model", ["gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-4-argon", "gemini-2.5-flash"])
@pytest.mark.parametrize("role", ["assistant", "system"])
def test_messages_that_do_not_end_with_the_user_are_refused(model: str, role: str) -> None:
    messages = [{"role": "user", "content": "A poem, please."}, {"role": role, "content": "Roses are"}]
    with pytest.raises(RequestRefused, match="messages: the last one must be the user's") as refused:
        read_and_check(json.dumps({"model": model, "messages": messages}).encode(), TODAY)
    assert (refused.value.status, refused.value.code) == (422, "invalid_param")


@pytest.mark.parametrize("recipe", [{}, {"recipe": "ask"}], ids=["anonymous", "named"])
def test_a_file_that_the_model_does_not_take_is_refused_by_its_own_place(recipe: dict[str, str]) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "gs://box/a"}}, {"type": "text", "text": "What?"}]
    messages = [{"role": "user", "content": parts}]
    with pytest.raises(RequestRefused) as refused:
        read_and_check(json.dumps({"model": "gemini-3.5-transcribe", "messages": messages, **recipe}).encode(), TODAY)
    assert refused.value.code == "model_not_support_capability"
    assert refused.value.param == "messages.0.content.0.image_url.url"


def test_a_recipe_may_relax_every_harm_that_a_request_may() -> None:
    safety = [{"category": "HARM_CATEGORY_JAILBREAK", "threshold": "OFF"}]
    for recipe in ({}, {"recipe": "transcribe"}):
        request = read_and_check(body(model="gemini-3.8-flash", safety_settings=safety, **recipe), TODAY)
        assert request.recipe.safety == {"jailbreak": "off"}


@pytest.mark.parametrize(
    ("fields", "mime", "says"),
    [
        ({"recipe": "transcribe"}, "image/png", "the recipe transcribe takes audio or video"),
        ({"recipe": "ask", "metadata": {"dropsight-range": "00:01-00:02"}}, "text/plain", "a part of audio or video"),
        ({"recipe": "ask", "metadata": {"dropsight-range": "10:00-11:00"}}, "audio/wav", "begins at 10:00"),
        ({}, "image/png", None),
    ],
)
def test_an_examined_file_must_fit_its_request(fields: dict[str, Any], mime: str, says: str | None) -> None:
    recipe = read_and_check(body(model="gemini-3.8-flash", prompt="What?", **fields), TODAY).recipe
    facts = Facts(media_type=media_type_of(mime), size=1, duration=8 if mime == "audio/wav" else None)
    if says is None:
        refuse_file(recipe, "audio_url", facts, alone=True)
        return
    with pytest.raises(PermanentFailure, match=says) as failed:
        refuse_file(recipe, "audio_url", facts, alone=True)
    assert failed.value.code == "invalid_param"


@pytest.mark.parametrize(("recipe", "model"), [("embed", "gemini-embedding-2"), ("draw", "gemini-3.1-flash-image")])
@pytest.mark.parametrize("role", ["system", "developer"])
def test_vectors_and_pictures_are_made_without_a_system_message(recipe: str, model: str, role: str) -> None:
    messages = [{"role": role, "content": "Be brief."}, {"role": "user", "content": "A river."}]
    request = {"model": model, "recipe": recipe, "messages": messages}
    with pytest.raises(RequestRefused, match=f"{recipe} takes no system message") as refused:
        read_and_check(json.dumps(request).encode(), TODAY)
    assert refused.value.param == "messages"
    request["messages"] = [{"role": role, "content": " "}, messages[1]]
    assert read_and_check(json.dumps(request).encode(), TODAY)
