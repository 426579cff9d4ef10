"""Service tiers, and what each answered request is billed for: tokens in `GET /stats`, and on the call's own record."""

from __future__ import annotations

from collections.abc import AsyncIterator
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
    """Counts the tokens of one request once its answer has been sent: those of flex also under `flex_…`."""

    def __init__(self, ledger: Ledger, call: Call, generation: Generation, tier: Tier) -> None:
        self._ledger, self._call, self._tier = ledger, call, tier
        self._usage = generation.usage()

    def settle(self) -> None:
        self._call.notes["tier"] = self._tier
        for field, name in _COUNTED.items():
            count = self._usage.get(field, 0)
            self._call.notes[name] = str(count)
            for counter in (name, *([] if self._tier == "standard" else [f"{self._tier}_{name}"])):
                if count:
                    self._ledger.count("gemini", counter, count)

    async def settled_after(self, chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
        """Yield the chunks; settle with the last one. A stream that is cut, or ends in an error, is not counted."""
        last: dict[str, Any] = {}
        async for chunk in chunks:
            if last:
                yield last
            last = chunk
        if not last:
            return
        if "error" not in last:
            self.settle()
        yield last
