"""Join the pieces of a stream into one GenerateContentResponse, and read responses.

Shapes are the Gemini API's JSON (camelCase), as plain values: the same that are stored as the raw answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from pydantic import JsonValue

from shared.domain.answer.finish_reasons import ending_of
from shared.domain.answer.grounding import joined_grounding

Json = dict[str, JsonValue]

_VISIBLE = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2800\u3164\ufe0f\ufeff]")
_CODE = ("executableCode", "codeExecutionResult", "storedData")


def join(chunks: Iterable[Json]) -> Json:
    """Join a stream's responses: texts of one kind are joined, the last finish reason and usage are kept."""
    joined: Json = {}
    gathered: dict[int, _Candidate] = {}
    for chunk in chunks:
        for name, value in chunk.items():
            if name != "candidates":
                joined[name] = value
        for candidate in _objects(chunk.get("candidates")):
            index = cast(int, candidate.get("index") or 0)
            gathered.setdefault(index, _Candidate(index)).add(candidate)
    if gathered:
        joined["candidates"] = [gathered[index].joined() for index in sorted(gathered)]
    return joined


def candidates(response: Json) -> list[Json]:
    return _objects(response.get("candidates"))


def parts(candidate: Json) -> list[Json]:
    content = candidate.get("content")
    return _objects(content.get("parts")) if isinstance(content, dict) else []


def text(candidate: Json, *, thoughts: bool = False) -> str:
    """Return the candidate's text, or its thoughts."""
    return "".join(
        cast(str, part["text"]) for part in parts(candidate) if _is_text(part) and bool(part.get("thought")) == thoughts
    )


def calls(candidate: Json) -> list[Json]:
    """Return the candidate's function calls; none if the answer broke off: the last call may be incomplete."""
    reason = finish_reason(candidate)
    if reason is not None and ending_of(reason) != "whole":
        return []
    return [call for part in parts(candidate) if isinstance(call := part.get("functionCall"), dict)]


def call_signatures(candidate: Json) -> list[JsonValue]:
    """Return the thought signature of each of `calls`, or None."""
    whole = [part.get("thoughtSignature") for part in parts(candidate) if isinstance(part.get("functionCall"), dict)]
    return whole[: len(calls(candidate))]


def has_words(text: str) -> bool:
    """Return whether the text has any visible character."""
    return _VISIBLE.search(text) is not None


def says_nothing(candidate: Json) -> bool:
    """Return whether the candidate has no words, no call, no code run and nothing made. Thoughts do not count."""
    ran_code = any(name in part for part in parts(candidate) for name in _CODE)
    return not (ran_code or calls(candidate) or has_words(text(candidate)))


def finish_reason(candidate: Json) -> str | None:
    reason = candidate.get("finishReason")
    return reason if isinstance(reason, str) and reason != "FINISH_REASON_UNSPECIFIED" else None


def block_reason(response: Json) -> str | None:
    """Return why the prompt was blocked, or None."""
    feedback = response.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    return reason if isinstance(reason, str) else None


class _Candidate:
    """Collects the pieces of one candidate; texts are joined once, at the end."""

    def __init__(self, index: int) -> None:
        self._about: Json = {"index": index}
        self._role: str | None = None
        self._parts: list[tuple[Json, list[str]]] = []
        self._grounding: list[JsonValue] = []

    def add(self, piece: Json) -> None:
        self._about |= {name: value for name, value in piece.items() if name != "content"}
        if "groundingMetadata" in piece:
            self._grounding.append(piece["groundingMetadata"])
        content = piece.get("content")
        if not isinstance(content, dict):
            return
        self._role = cast(str, content.get("role") or "model")
        for part in parts(piece):
            last = self._parts[-1][0] if self._parts else None
            if last is not None and _go_together(last, part):
                self._parts[-1][1].append(cast(str, part["text"]))
                if "thoughtSignature" in part:
                    last["thoughtSignature"] = part["thoughtSignature"]
            else:
                self._parts.append((dict(part), [cast(str, part["text"])] if _is_text(part) else []))

    def joined(self) -> Json:
        about = self._about
        if (grounding := joined_grounding(self._grounding)) is not None:
            about = {**about, "groundingMetadata": grounding}
        if self._role is None:
            return about
        whole = [{**part, "text": "".join(texts)} if texts else part for part, texts in self._parts]
        return {**about, "content": {"role": self._role, "parts": cast(JsonValue, whole)}}


def _go_together(last: Json, part: Json) -> bool:
    """Return whether two parts are pieces of one text. Times of words belong to the text that they came with."""
    if not (_is_text(last) and _is_text(part)) or "audioTranscription" in last or "audioTranscription" in part:
        return False
    return last.get("thought") == part.get("thought")


def _is_text(part: Json) -> bool:
    return isinstance(part.get("text"), str)


def _objects(value: JsonValue) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
