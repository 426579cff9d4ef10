"""The model's answer in pieces, as readers of a stream get it: `chat.completion.chunk` deltas, few and numbered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from pydantic import ConfigDict, JsonValue

from shared.domain.answer import response as answer
from shared.domain.answer.completion import FinishReason, finish_reason, tool_call
from shared.domain.answer.continuation import is_limited
from shared.domain.answer.finish_reasons import ending_of
from shared.domain.answer.response import Json
from shared.domain.tasks.task import Frozen

KEPT_AFTER_END = timedelta(minutes=15)
_LARGEST_TEXT = 100_000
"""Characters of one chunk: its document may have 1 MiB, and a character several bytes."""


class Chunk(Frozen):
    """A stored piece. Its offset is its place in the stream."""

    # A newer version may have written more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    delta: dict[str, JsonValue]
    finish: FinishReason | None = None
    choice: int = 0
    """The number of the answer that it belongs to, if the request wants several."""
    claim: int
    """The token of the claim that stored it. A later claim adds text only if it continues the answer."""
    resumable: bool = False
    """Whether a later claim can continue the answer by its continuation token."""
    expires_at: datetime


class Shown(NamedTuple):
    """The part of an answer that readers of the stream have."""

    content: str
    thoughts: str
    calls: tuple[Json, ...]
    """Function calls, in the form of deltas."""


@dataclass
class Gathered:
    """Pieces of a response since the last chunk, joined."""

    reasoning: bool
    """Whether thoughts are shown."""
    content: str = ""
    thoughts: str = ""
    calls: list[Json] = field(default_factory=list)
    finish: FinishReason | None = None
    begun: bool = False
    """Whether a chunk was made: the first one names the role."""
    answered: bool = False
    """Whether there was a word or a call. Without one, the question is asked again, so nothing may be sent before."""
    diverged: bool = False
    """Whether the text of a continued answer differs from the text that readers have."""
    _ahead: dict[str, str] = field(default_factory=lambda: {"content": "", "thoughts": ""})
    """Text that readers already have, past the continuation token: the model sends it again."""
    _calls_ahead: list[Json] = field(default_factory=list)
    """Function calls that readers already have, likewise."""
    _blanks: list[str] = field(default_factory=list)
    _called: int = 0

    def add(self, piece: Json) -> None:
        """A GenerateContentResponse, or a part of one. Only the first candidate is used."""
        for candidate in answer.candidates(piece)[:1]:
            self._add_text(answer.text(candidate))
            if self.reasoning:
                self.thoughts += self._not_yet_told("thoughts", answer.text(candidate, thoughts=True))
            for part in answer.parts(candidate):
                if isinstance(call := part.get("functionCall"), dict):
                    self._add_call(tool_call(call, self._called, part.get("thoughtSignature")))
            reason = answer.finish_reason(candidate)
            # An answer that cannot be used fails, and has no last chunk. Nor does an answer that is continued.
            if reason is not None and ending_of(reason) != "malformed" and not is_limited(candidate):
                ending = finish_reason(candidate)
                self.finish = "tool_calls" if ending == "stop" and self._called else ending

    def go_on(self, stored: Gathered, shown: Shown) -> None:
        """Continue an answer, after the text that its readers have. `stored`: the stored part of the answer."""
        kept_content = stored.content + "".join(stored._blanks)
        for name, kept, told in (
            ("content", kept_content, shown.content),
            ("thoughts", stored.thoughts, shown.thoughts),
        ):
            setattr(self, name, kept[len(told) :] if kept.startswith(told) else "")
            self._ahead[name] = told[len(kept) :] if told.startswith(kept) else ""
            self.diverged |= not (kept.startswith(told) or told.startswith(kept))
        self.diverged |= not all(map(_is_same_call, stored.calls, shown.calls))
        self.calls, self._calls_ahead = stored.calls[len(shown.calls) :], list(shown.calls[len(stored.calls) :])
        self._called = stored._called
        self.answered = stored.answered or bool(shown.calls) or answer.has_words(shown.content)
        if not self.answered:
            self._blanks, self.content = [self.content], ""

    @property
    def is_behind(self) -> bool:
        """Return whether readers have more text than has arrived so far."""
        return any(self._ahead.values()) or bool(self._calls_ahead)

    def _add_call(self, call: Json) -> None:
        self._begin_answer()
        if self._calls_ahead:
            self.diverged |= not _is_same_call(call, self._calls_ahead.pop(0))
        else:
            self.calls.append({"index": self._called, **call})
        self._called += 1

    def _not_yet_told(self, name: str, text: str) -> str:
        ahead = self._ahead[name]
        if not ahead:
            return text
        shared = min(len(ahead), len(text))
        self.diverged |= ahead[:shared] != text[:shared]
        self._ahead[name] = ahead[shared:]
        return text[shared:]

    def _add_text(self, text: str) -> None:
        """Blanks wait for the first word or call."""
        text = self._not_yet_told("content", text)
        if not self.answered and not answer.has_words(text):
            self._blanks.append(text)
            return
        self._begin_answer()
        self.content += text

    def _begin_answer(self) -> None:
        self.answered = True
        self.content += "".join(self._blanks)
        self._blanks.clear()

    def __bool__(self) -> bool:
        return bool(self.content or self.thoughts or self.calls or self.finish)

    def take(self) -> Iterator[tuple[Json, FinishReason | None]]:
        """The deltas that tell what was gathered: one, but for a very long text. Leaves nothing behind."""
        content, thoughts, calls, finish = self.content, self.thoughts, self.calls, self.finish
        self.content, self.thoughts, self.calls, self.finish = "", "", [], None
        deltas: list[Json] = [{"reasoning_content": piece} for piece in _pieces(thoughts)]
        for number, piece in enumerate(_pieces(content)):
            if number == 0 and deltas:
                deltas[-1]["content"] = piece
            else:
                deltas.append({"content": piece})
        deltas = deltas or [{}]
        if calls:
            deltas[-1]["tool_calls"] = cast(JsonValue, calls)
        if not self.begun:
            deltas[0] = {"role": "assistant", **deltas[0]}
        self.begun = True
        for delta in deltas[:-1]:
            yield delta, None
        yield deltas[-1], finish


def _pieces(text: str) -> list[str]:
    return [text[start : start + _LARGEST_TEXT] for start in range(0, len(text), _LARGEST_TEXT)]


def _is_same_call(call: Json, other: Json) -> bool:
    """Return whether both are the same call of a function. Its id may differ if the model sends it again."""
    return call["function"] == other["function"]


def join_chunks(chunks: list[Chunk]) -> Shown:
    """Return the text and calls that readers of all these chunks have."""
    content = "".join(str(chunk.delta.get("content") or "") for chunk in chunks)
    thoughts = "".join(str(chunk.delta.get("reasoning_content") or "") for chunk in chunks)
    calls = tuple(call for chunk in chunks for call in cast(list[Json], chunk.delta.get("tool_calls") or ()))
    return Shown(content, thoughts, calls)


def as_text(delta: Json) -> str:
    return json.dumps(delta, ensure_ascii=False, separators=(",", ":"))
