"""Service tiers, and what each answered request is billed for: tokens in `GET /stats`, and on the call's own record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Literal, cast

from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.errors import invalid, planted
from local.standins.gemini.generation import Generation
from local.standins.ledger import Call, Ledger

Tier = Literal["standard", "flex", "priority"]
TIER_HEADER = "x-gemini-service-tier"
_COUNTED = {
    "promptTokenCount": "prompt_tokens",
    "cachedContentTokenCount": "cached_tokens",
    "candidatesTokenCount": "answer_tokens",
    "thoughtsTokenCount": "thought_tokens",
    "toolUsePromptTokenCount": "tool_tokens",
}


def service_tier(request: dict[str, Any], behaviour: Behaviour) -> Tier:
    """Return the tier that the request asks for. Raises ApiError for an unknown one, or if flex is refused."""
    named = str(request.get("serviceTier") or "standard").lower()
    tier = "standard" if named in ("unspecified", "standard") else named
    if tier not in ("standard", "flex", "priority"):
        raise invalid(f"Invalid value at 'service_tier': {named!r}")
    if tier == "flex" and behaviour.flex_status is not None:
        raise planted(behaviour.flex_status, None)
    return cast(Tier, tier)


class Bill:
    """Counts the tokens of one request once its answer has been sent: those of flex also under `flex_…`.

    A stream that can be resumed is counted up to each continuation token as that is sent: what comes after it is not
    counted if the stream breaks, since the next request answers it again.
    """

    def __init__(self, ledger: Ledger, call: Call, generation: Generation, tier: Tier) -> None:
        self._ledger, self._call, self._tier = ledger, call, tier
        self._usage = generation.usage()
        self._settled: dict[str, int] = {}

    def settle(self, usage: dict[str, Any] | None = None) -> None:
        """Count what `usage` has more than was counted before; None: the whole answer."""
        usage = self._usage if usage is None else usage
        self._call.notes["tier"] = self._tier
        for field, name in _COUNTED.items():
            count = usage.get(field, 0)
            more = count - self._settled.get(name, 0)
            self._settled[name] = count
            self._call.notes[name] = str(count)
            for counter in (name, *([] if self._tier == "standard" else [f"{self._tier}_{name}"])):
                if more > 0:
                    self._ledger.count("gemini", counter, more)

    async def settled_after(self, chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Yield the chunks; settle with the last one. A stream that is cut, or ends in an error, is not counted.

        If the client hangs up, the call's record has what was sent, as `sent_prompt_tokens`, `sent_answer_tokens`, …
        """
        sent: dict[str, Any] = {}
        try:
            async with aclosing(self._counted(chunks)) as settled:
                async for chunk in settled:
                    sent = chunk
                    yield chunk
        except (asyncio.CancelledError, GeneratorExit):
            self._note_sent(sent.get("usageMetadata", {}))
            raise

    def _note_sent(self, usage: dict[str, Any]) -> None:
        self._call.notes |= {f"sent_{name}": str(usage[field]) for field, name in _COUNTED.items() if field in usage}

    async def _counted(self, chunks: AsyncIterator[dict[str, Any]]) -> AsyncGenerator[dict[str, Any]]:
        last: dict[str, Any] = {}
        resumable = False
        async for chunk in chunks:
            if last:
                yield last
                if self._call.status == "cut":
                    return
                if _has_token(last):
                    resumable = True
                    self.settle(last["usageMetadata"])
            last = chunk
        if not last:
            return
        if "error" not in last and not (resumable and _is_midway(last)):
            self.settle()
        elif _has_token(last):
            self.settle(last["usageMetadata"])
        yield last


def _has_token(chunk: dict[str, Any]) -> bool:
    return any("continuationToken" in candidate for candidate in chunk.get("candidates", []))


def _is_midway(chunk: dict[str, Any]) -> bool:
    return not any("finishReason" in candidate for candidate in chunk.get("candidates", []))
