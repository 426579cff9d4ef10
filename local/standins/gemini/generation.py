"""The model's response to a prompt: candidates, finish reasons and token usage."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.standins.gemini.answers import free_text, json_text
from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.continuation import Hop, from_position, position_of, token_at
from local.standins.gemini.errors import invalid
from local.standins.gemini.facts import MARK, question_in_short
from local.standins.gemini.models import Model
from local.standins.gemini.pictures import SPEECH_MIME_TYPE, draw_picture, synthesize_speech
from local.standins.gemini.prompt import Prompt
from local.standins.gemini.schema_forms import to_json_schema
from local.standins.gemini.schema_instance import write_instance
from local.standins.gemini.thinking import thought_tokens
from local.standins.gemini.tokens import AUDIO_PER_SECOND, CHARACTERS_PER_TOKEN, Modality, details, of_json, of_text
from local.standins.gemini.tool_answers import code_parts, fetched_urls, function_calls, grounding, signature
from local.standins.gemini.word_times import spoken_parts

_BLOCK_MARKER = re.compile(r"dropsight:block(?:=([A-Z_]+))?")
_FINISH_MARKER = re.compile(r"dropsight:finish=([A-Z_]+)")
"""In a prompt's text: `dropsight:block` blocks it, `dropsight:finish=REASON` ends its candidates that way."""
_BROKEN_OFF = frozenset({"MAX_TOKENS", "RECITATION", "CONTINUATION", "FINISH_REASON_UNSPECIFIED"})
"""The finish reasons that leave half of the text; all others but STOP leave nothing."""
_RESUMABLE = frozenset({"MAX_TOKENS", "CONTINUATION"})
_HARMS = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")
_PICTURE_TOKENS = 1290
_BYTES_A_SECOND_OF_SPEECH = 48_000

Part = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One candidate. `about` holds the metadata that accompanies the finish reason."""

    index: int
    parts: tuple[Part, ...]
    finish_reason: str
    thoughts: int
    tokens: Counter[Modality]
    about: dict[str, Any] = field(default_factory=dict)
    start: int = 0
    """The character of the whole answer at which it begins."""
    digest: str | None = None
    """The request's digest if a continuation token can resume the answer, else None."""


@dataclass(frozen=True)
class Generation:
    """The response to a prompt. Without candidates, the prompt was blocked for `block_reason`."""

    prompt: Prompt
    model: Model
    candidates: tuple[Candidate, ...] = ()
    block_reason: str | None = None
    named: str | None = None
    """The `modelVersion` that the answer names instead of the model's own."""
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def usage(self) -> dict[str, Any]:
        prompt = sum(self.prompt.tokens.values())
        answered: Counter[Modality] = Counter()
        for candidate in self.candidates:
            answered.update(candidate.tokens)
        thoughts = sum(candidate.thoughts for candidate in self.candidates)
        usage: dict[str, Any] = {"promptTokenCount": prompt, "promptTokensDetails": details(self.prompt.tokens)}
        if self.candidates:
            usage["candidatesTokenCount"] = sum(answered.values())
            usage["candidatesTokensDetails"] = details(answered)
        if thoughts:
            usage["thoughtsTokenCount"] = thoughts
        if cached := sum(self.prompt.cached_tokens.values()):
            usage["cachedContentTokenCount"] = cached
            usage["cacheTokensDetails"] = details(self.prompt.cached_tokens)
        if found := self.prompt.found_tokens:
            usage["toolUsePromptTokenCount"] = found
            usage["toolUsePromptTokensDetails"] = details(Counter[Modality]({"TEXT": found}))
        usage["totalTokenCount"] = prompt + found + sum(answered.values()) + thoughts
        return usage

    def envelope(self) -> dict[str, Any]:
        """Return the fields that every response and every chunk of a streamed one carries."""
        answer: dict[str, Any] = {
            "modelVersion": self.named or self.model.alias_of or self.model.id,
            "responseId": self.id,
        }
        if self.block_reason is not None:
            answer["promptFeedback"] = {"blockReason": self.block_reason, "safetyRatings": _ratings(blocked=True)}
        return answer

    def response(self) -> dict[str, Any]:
        answer = {"usageMetadata": self.usage(), **self.envelope()}
        if not self.candidates:
            return answer
        return {"candidates": [_candidate_body(candidate) for candidate in self.candidates], **answer}


def _candidate_body(candidate: Candidate) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if candidate.parts:
        content = {"parts": list(candidate.parts), "role": "model"}
    return {"content": content, **finish_fields(candidate), "index": candidate.index}


def finish_fields(candidate: Candidate) -> dict[str, Any]:
    return {"finishReason": candidate.finish_reason, **candidate.about}


def generate(
    prompt: Prompt, config: dict[str, Any], model: Model, behaviour: Behaviour, hop: Hop | None = None
) -> Generation:
    """Generate the response. Takes long for long media or large schemas: call it in a thread. Raises ApiError."""
    prompt_tokens = sum(prompt.tokens.values())
    if prompt_tokens > model.input_token_limit:
        raise invalid(
            f"The input token count ({prompt_tokens}) exceeds the maximum number of tokens allowed "
            f"({model.input_token_limit})."
        )
    answer_limit = config.get("maxOutputTokens", 0)
    if model.fourth_generation and prompt_tokens + answer_limit > model.input_token_limit:
        raise invalid(
            f"The input token count ({prompt_tokens}) and maxOutputTokens ({answer_limit}) together exceed the "
            f"context window ({model.input_token_limit})."
        )
    marker = _BLOCK_MARKER.search(f"{prompt.system}\n{prompt.text}")
    if reason := behaviour.block_reason or (marker and (marker.group(1) or "SAFETY")):
        return Generation(prompt, model, block_reason=reason)
    digest = _digest(prompt, config, model)
    hop = hop or Hop()
    start = position_of(hop.token, digest)
    candidates = tuple(
        _Answer(prompt, config, model, behaviour, random_of(digest, index), hop, start).candidate(index, digest)
        for index in range(0 if behaviour.no_candidates else config.get("candidateCount") or 1)
    )
    return Generation(prompt, model, candidates, named=behaviour.model_version)


def random_of(digest: str, index: int) -> Random:
    return Random(f"{digest} {index}")  # noqa: S311 - chance that is the same for the same request


def _digest(prompt: Prompt, config: dict[str, Any], model: Model) -> str:
    """Return a digest of the request. It seeds all choices, so that equal requests get equal answers."""
    media = [item.model_dump_json() for item in prompt.items]
    found = [chunk.text for chunk in prompt.found]
    contents = [model.id, prompt.text, prompt.system, media, config, [sorted(tool) for tool in prompt.tools], found]
    return hashlib.sha256(json.dumps(contents, sort_keys=True, default=repr).encode()).hexdigest()


class _Answer:
    """Builds one candidate."""

    def __init__(
        self,
        prompt: Prompt,
        config: dict[str, Any],
        model: Model,
        behaviour: Behaviour,
        random: Random,
        hop: Hop,
        start: int,
    ) -> None:
        self._prompt, self._config, self._model = prompt, config, model
        self._behaviour, self._random = behaviour, random
        self._hop, self._start = hop, start
        left = model.output_token_limit - start // CHARACTERS_PER_TOKEN
        self._most = max(1, min(config.get("maxOutputTokens") or left, left))

    def candidate(self, index: int, digest: str) -> Candidate:
        thoughts = self._thoughts()
        scripted = (self._behaviour.text, self._behaviour.loop, self._behaviour.parts) != (None, None, None)
        calls = [] if scripted else self._calls()
        text, reason = ("", "STOP") if calls else self._truncated(self._text(), self._most - thoughts)
        reason, text = self._forced_ending(reason, text)
        parts = self._parts(text, calls, reason)
        tokens = _count_tokens(parts)
        # Thoughts and code that was run come with the first hop, and move no token's position.
        unplaced = 0 if calls or self._behaviour.parts is not None else sum("text" not in part for part in parts)
        if self._config.get("thinkingConfig", {}).get("includeThoughts") and thoughts and not _has_no_text(reason):
            words = f"{MARK} Thinking about “{question_in_short(self._prompt)}”: nothing but the request is known."
            parts = [{"text": words, "thought": True}, *parts]
            unplaced += 1
        about = self._metadata(text, reason)
        resumable = self._hop.most_tokens is not None and index == 0
        if resumable and reason in _RESUMABLE:
            about["continuationToken"] = token_at(digest, self._start + len(text))
        start = self._start - unplaced
        return Candidate(index, tuple(parts), reason, thoughts, tokens, about, start, digest if resumable else None)

    def _thoughts(self) -> int:
        if self._start:
            return 0
        if self._behaviour.thoughts is not None:
            return min(self._behaviour.thoughts, self._most) if self._model.thinking != "no" else 0
        config = self._config.get("thinkingConfig", {})
        return thought_tokens(config, self._model, self._prompt.question, self._most)

    def _calls(self) -> list[Part]:
        return function_calls(self._prompt, self._random, signed=self._model.third_generation)

    def _text(self) -> str:
        if (loop := self._behaviour.loop) is not None:
            over = self._start + (min(self._most, self._hop.most_tokens or self._most) + 1) * CHARACTERS_PER_TOKEN
            return loop * (over // len(loop) + 1)
        if self._behaviour.text is not None:
            return self._behaviour.text
        mime_type = self._config.get("responseMimeType") or "text/plain"
        schema = self._schema()
        if mime_type == "text/x.enum":
            return str(write_instance(schema or {}, self._prompt, self._random))
        if mime_type == "application/json":
            value = json_text(self._prompt, self._random)
            if schema is not None:
                value = write_instance(schema, self._prompt, self._random)
            return json.dumps(value, ensure_ascii=False)
        return free_text(self._prompt, self._random)

    def _schema(self) -> dict[str, Any] | None:
        if "responseJsonSchema" in self._config:
            schema: dict[str, Any] = self._config["responseJsonSchema"]
            return schema
        if "responseSchema" in self._config:
            return to_json_schema(self._config["responseSchema"])
        return None

    def _truncated(self, text: str, most: int) -> tuple[str, str]:
        """Cut the text at the first stop sequence and at the token limit of the request or hop.

        Return it with the finish reason.
        """
        stops = [at for stop in self._config.get("stopSequences", []) if (at := text.find(stop)) >= 0]
        if stops:
            text = text[: min(stops)]
        text, here = text[self._start :], self._hop.most_tokens
        if here is not None and here < most and of_text(text) > here:
            return text[: here * CHARACTERS_PER_TOKEN], "CONTINUATION"
        if of_text(text) > most:
            return text[: max(0, most) * CHARACTERS_PER_TOKEN], "MAX_TOKENS"
        return text, "STOP"

    def _forced_ending(self, reason: str, text: str) -> tuple[str, str]:
        marker = _FINISH_MARKER.search(self._prompt.text)
        forced = self._behaviour.finish_reason or (marker and marker.group(1))
        if not forced:
            return reason, text
        if _has_no_text(forced):
            return forced, ""
        if forced == "STOP" or (forced == "CONTINUATION" and len(text) <= 1):
            return "STOP", text
        return forced, text[: max(1, len(text) // 2)]

    def _parts(self, text: str, calls: list[Part], reason: str) -> list[Part]:
        if self._behaviour.parts is not None:
            return from_position(self._behaviour.parts, self._start)
        if _has_no_text(reason):
            return []
        if calls:
            return from_position(calls, self._start)
        if self._behaviour.text is None and (spoken := spoken_parts(self._prompt, self._config, self._random)):
            return spoken
        if self._model.outputs == {"audio"}:
            data = base64.b64encode(synthesize_speech(self._prompt.question)).decode()
            return [{"inlineData": {"mimeType": SPEECH_MIME_TYPE, "data": data}}]
        last: Part = {"text": text}
        if self._model.third_generation:
            last["thoughtSignature"] = signature(text)
        parts = [*([] if self._start else code_parts(self._prompt)), *([last] if text else [])]
        modalities = self._config.get("responseModalities") or ["TEXT", "IMAGE"]
        if "TEXT" not in modalities:
            parts = []
        if "image" in self._model.outputs and "IMAGE" in modalities and "responseMimeType" not in self._config:
            aspect = self._config.get("imageConfig", {}).get("aspectRatio", "1:1")
            data = base64.b64encode(draw_picture(self._prompt.question, aspect, self._random)).decode()
            parts.append({"inlineData": {"mimeType": "image/png", "data": data}})
        return parts

    def _metadata(self, text: str, reason: str) -> dict[str, Any]:
        about: dict[str, Any] = {}
        if reason == "SAFETY":
            about["safetyRatings"] = _ratings(blocked=True)
        if reason == "RECITATION":
            source = {"startIndex": 0, "endIndex": len(text.encode()), "uri": "https://example.com/"}
            about["citationMetadata"] = {"citationSources": [source]}
        if text and (grounded := grounding(self._prompt, text)):
            about["groundingMetadata"] = grounded
        if fetched := fetched_urls(self._prompt):
            about["urlContextMetadata"] = fetched
        return about


def _has_no_text(reason: str) -> bool:
    return reason != "STOP" and reason not in _BROKEN_OFF


def _count_tokens(parts: list[Part]) -> Counter[Modality]:
    tokens: Counter[Modality] = Counter()
    for part in parts:
        if part.get("thought"):
            continue
        if "text" in part:
            tokens["TEXT"] += of_text(part["text"])
        elif "inlineData" in part and part["inlineData"]["mimeType"].startswith("image/"):
            tokens["IMAGE"] += _PICTURE_TOKENS
        elif "inlineData" in part:
            seconds = len(part["inlineData"]["data"]) * 3 / 4 / _BYTES_A_SECOND_OF_SPEECH
            tokens["AUDIO"] += max(1, round(seconds * AUDIO_PER_SECOND))
        else:
            tokens["TEXT"] += of_json({name: value for name, value in part.items() if name != "thoughtSignature"})
    return tokens


def _ratings(*, blocked: bool) -> list[dict[str, Any]]:
    ratings: list[dict[str, Any]] = [
        {"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"} for name in _HARMS
    ]
    if blocked:
        ratings[1] |= {"probability": "HIGH", "blocked": True}
    return ratings
