"""The model's answer in pieces, as readers of a stream get it: `chat.completion.chunk` deltas, few and numbered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from pydantic import ConfigDict, JsonValue

from shared.domain import answer
from shared.domain.answer import Json
from shared.domain.completion import FinishReason, finish_reason, tool_call
from shared.domain.task import Frozen

KEPT_AFTER_END = timedelta(minutes=15)
_LARGEST_TEXT = 100_000
"""Characters of one chunk: its document ends at 1 MiB, and one character may be several bytes."""


class Chunk(Frozen):
    """One stored piece. Its offset is its place in the stream."""

    # A newer version may have written more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    delta: dict[str, JsonValue]
    finish: FinishReason | None = None
    claim: int
    """The token of the claim under which it was stored: text of two claims never makes one answer."""
    expires_at: datetime


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
    """Whether a chunk was told: the first one names the role."""
    _called: int = 0

    def add(self, piece: Json) -> None:
        """A GenerateContentResponse, or a part of one. Only the first candidate is told."""
        for candidate in answer.candidates(piece)[:1]:
            self.content += answer.text(candidate)
            if self.reasoning:
                self.thoughts += answer.text(candidate, thoughts=True)
            for part in answer.parts(candidate):
                if isinstance(call := part.get("functionCall"), dict):
                    self.calls.append({"index": self._called, **tool_call(call, self._called)})
                    self._called += 1
            if answer.finish_reason(candidate) is not None:
                found = finish_reason(candidate)
                self.finish = "tool_calls" if found == "stop" and self._called else found

    def __bool__(self) -> bool:
        return bool(self.content or self.thoughts or self.calls or self.finish)

    def take(self) -> Iterator[tuple[Json, FinishReason | None]]:
        """The deltas that tell what was gathered: one, but for a very long text. Leaves nothing behind."""
        content, thoughts, calls, finish = self.content, self.thoughts, self.calls, self.finish
        self.content, self.thoughts, self.calls, self.finish = "", "", [], None
        while True:
            delta: Json = {} if self.begun else {"role": "assistant"}
            self.begun = True
            if thoughts:
                delta["reasoning_content"], thoughts = thoughts[:_LARGEST_TEXT], thoughts[_LARGEST_TEXT:]
            if not thoughts and content:
                delta["content"], content = content[:_LARGEST_TEXT], content[_LARGEST_TEXT:]
            last = not (thoughts or content)
            if last and calls:
                delta["tool_calls"] = cast(JsonValue, calls)
            yield delta, finish if last else None
            if last:
                return


def told(chunks: list[Chunk]) -> tuple[str, str]:
    """The content and the thoughts that chunks have told so far."""
    content = "".join(str(chunk.delta.get("content") or "") for chunk in chunks)
    return content, "".join(str(chunk.delta.get("reasoning_content") or "") for chunk in chunks)


def as_text(delta: Json) -> str:
    return json.dumps(delta, ensure_ascii=False, separators=(",", ":"))
