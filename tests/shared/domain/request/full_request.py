"""A request with every field, and what becomes of a request's text."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from shared.domain.errors import RequestRefused
from shared.domain.request.to_recipe import ResolvedRequest
from shared.domain.request.validation import read_and_check

TODAY = date(2026, 11, 26)


DATA = "data:audio/wav;base64,AAAA"


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}


TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "d",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": True,
    },
}


FULL: dict[str, Any] = {
    "model": "gemini-3.8-flash",
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, PICTURE]},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "sunny", "name": "weather"},
    ],
    "system_prompt": "s",
    "sync": False,
    "stream": False,
    "max_tokens": 100,
    "temperature": 1,
    "reasoning": False,
    "top_p": 0.5,
    "top_k": 3,
    "n": 2,
    "seed": 1,
    "stop": ["x"],
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": True},
    },
    "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "media_resolution": "low",
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "extra_body": {"google": {"thinking_config": {"thinking_level": "low", "include_thoughts": True}}},
    "callback_url": "https://example.com/called",
    "metadata": {"a": "b"},
}


def written(**fields: Any) -> bytes:
    return json.dumps({"model": "gemini-2.5-flash", "audio_url": DATA, **fields}).encode()


def outcome(text: bytes) -> ResolvedRequest | RequestRefused:
    try:
        return read_and_check(text, TODAY)
    except RequestRefused as refused:
        return refused


def refusal(text: bytes) -> RequestRefused:
    refused = outcome(text)
    assert isinstance(refused, RequestRefused)
    return refused
