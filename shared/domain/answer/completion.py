"""Convert a Gemini response to an OpenAI ChatCompletion, and a piece of it to a `chat.completion.chunk`.

Tests validate both with the openai package's own types.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import reduce
from typing import Literal, cast

from pydantic import JsonValue

from shared.domain.answer import finish_reasons
from shared.domain.answer import response as answer
from shared.domain.answer.citations import citations
from shared.domain.answer.code_runs import code_runs
from shared.domain.answer.response import Json

FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]


def finish_reason(candidate: Json) -> FinishReason:
    """Return OpenAI's finish reason: `tool_calls` if a function is called; `stop` only if the model came to its end."""
    return "tool_calls" if answer.calls(candidate) else finish_reasons.public(answer.finish_reason(candidate))


def completion(response: Json, *, task_id: str, created: int, model: str, reasoning: bool = False) -> Json:
    """Return the ChatCompletion. `reasoning` includes the thoughts as `reasoning_content`."""
    choices = [_choice(candidate, reasoning) for candidate in answer.candidates(response)]
    return {
        "id": f"chatcmpl-{task_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": cast(JsonValue, choices),
        "usage": cast(JsonValue, usage(response)),
    }


def with_choices(completions: Sequence[Json]) -> Json:
    """Return one ChatCompletion of several to the same question: a choice of each, and what they used together."""
    choices = [
        {**cast(list[Json], answered["choices"])[0], "index": index} for index, answered in enumerate(completions)
    ]
    used = reduce(_added, (cast(Json, answered["usage"]) for answered in completions))
    return {**completions[0], "choices": cast(JsonValue, choices), "usage": used}


def _added(one: Json, other: Json) -> Json:
    return {
        name: _added(value, cast(Json, other[name]))
        if isinstance(value, dict)
        else cast(int, value) + cast(int, other[name])
        for name, value in one.items()
    }


def chunk(
    delta: Json, *, task_id: str, created: int, model: str, finish: FinishReason | None = None, index: int = 0
) -> Json:
    """Return a `chat.completion.chunk` with one choice."""
    return {
        "id": f"chatcmpl-{task_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [{"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}],
    }


def usage(response: Json) -> Json:
    """Return the tokens as OpenAI counts them: completion tokens include thinking."""
    counted = response.get("usageMetadata")
    counted = counted if isinstance(counted, dict) else {}
    prompt = _number(counted, "promptTokenCount") + _number(counted, "toolUsePromptTokenCount")
    thinking = _number(counted, "thoughtsTokenCount")
    answered = _number(counted, "candidatesTokenCount") + thinking
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answered,
        "total_tokens": _number(counted, "totalTokenCount") or prompt + answered,
        "prompt_tokens_details": {
            "cached_tokens": _number(counted, "cachedContentTokenCount"),
            "audio_tokens": _modality(counted, "AUDIO"),
        },
        "completion_tokens_details": {"reasoning_tokens": thinking},
    }


def _choice(candidate: Json, reasoning: bool) -> Json:
    reason = finish_reason(candidate)
    spoken = answer.text(candidate)
    message: Json = {"role": "assistant", "content": spoken, "refusal": None}
    if answer.calls(candidate):
        message["tool_calls"] = cast(JsonValue, _tool_calls(candidate))
        message["content"] = spoken or None
    elif reason == "content_filter" and not spoken:
        message["refusal"] = f"The model stopped with {answer.finish_reason(candidate)}."
    thoughts = answer.text(candidate, thoughts=True)
    if reasoning and thoughts:
        message["reasoning_content"] = thoughts
    if cited := citations(candidate, spoken):
        message["annotations"] = cast(JsonValue, cited)
    if runs := code_runs(candidate):
        message["code_execution"] = cast(JsonValue, runs)
    return {"index": candidate.get("index") or 0, "message": message, "finish_reason": reason, "logprobs": None}


def tool_call(call: Json, index: int, signature: JsonValue = None) -> Json:
    """Convert a functionCall part to OpenAI's form.

    `signature`: the part's thought signature, which Gemini 3 wants back; placed as by Google's own OpenAI layer.
    """
    arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
    converted: Json = {
        "id": call.get("id") or f"call_{index}",
        "type": "function",
        "function": {"name": call.get("name") or "", "arguments": arguments},
    }
    if signature is not None:
        converted["extra_content"] = {"google": {"thought_signature": signature}}
    return converted


def _tool_calls(candidate: Json) -> list[Json]:
    calls = zip(answer.calls(candidate), answer.call_signatures(candidate), strict=True)
    return [tool_call(call, index, signature) for index, (call, signature) in enumerate(calls)]


def _number(counted: Json, name: str) -> int:
    value = counted.get(name)
    return value if isinstance(value, int) else 0


def _modality(counted: Json, modality: str) -> int:
    details = counted.get("promptTokensDetails")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and detail.get("modality") == modality:
            return _number(detail, "tokenCount")
    return 0
