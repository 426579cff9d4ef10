"""The model's answer: the pieces of a stream joined into one GenerateContentResponse, and what it amounts to.

Shapes are the Gemini API's JSON (camelCase), as plain values: the same that are stored as the raw answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pydantic import JsonValue

Json = dict[str, JsonValue]

BLOCKED_REASONS = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"})


def join(chunks: Iterable[Json]) -> Json:
    """One response out of a stream's: texts of one kind joined, the last finish reason and usage kept."""
    joined: Json = {}
    candidates: dict[int, Json] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if name != "candidates":
                joined[name] = value
        for candidate in _objects(chunk.get("candidates")):
            index = cast(int, candidate.get("index") or 0)
            candidates[index] = _join_candidate(candidates.get(index, {"index": index}), candidate)
    if candidates:
        joined["candidates"] = [candidates[index] for index in sorted(candidates)]
    return joined


def candidates(response: Json) -> list[Json]:
    return _objects(response.get("candidates"))


def parts(candidate: Json) -> list[Json]:
    content = candidate.get("content")
    return _objects(content.get("parts")) if isinstance(content, dict) else []


def text(candidate: Json, *, thoughts: bool = False) -> str:
    """The candidate's answer, or what it thought."""
    return "".join(
        cast(str, part["text"]) for part in parts(candidate) if "text" in part and bool(part.get("thought")) == thoughts
    )


def finish_reason(candidate: Json) -> str | None:
    reason = candidate.get("finishReason")
    return reason if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED" else None


def block_reason(response: Json) -> str | None:
    """Why the prompt was blocked, where it was."""
    feedback = response.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) else None


def _join_candidate(so_far: Json, piece: Json) -> Json:
    content = piece.get("content")
    merged = {**so_far, **{name: value for name, value in piece.items() if name != "content"}}
    if isinstance(content, dict):
        role = content.get("role") or "model"
        merged["content"] = {"role": role, "parts": cast(JsonValue, _join_parts(parts(so_far), parts(piece)))}
    return merged


def _join_parts(so_far: list[Json], more: list[Json]) -> list[Json]:
    joined = [dict(part) for part in so_far]
    for part in more:
        last = joined[-1] if joined else None
        if last is not None and _is_text(last) and _is_text(part) and last.get("thought") == part.get("thought"):
            last["text"] = cast(str, last["text"]) + cast(str, part["text"])
            if "thoughtSignature" in part:
                last["thoughtSignature"] = part["thoughtSignature"]
        else:
            joined.append(dict(part))
    return joined


def _is_text(part: Json) -> bool:
    return "text" in part


def _objects(value: JsonValue) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
