"""Context caches: contents kept for a time, so that requests may name them instead of sending them."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import read_record, timestamp
from local.standins.gemini.models import Model, Version, find
from local.standins.gemini.prompt import Item, Prompt, texts
from local.standins.gemini.tokens import Modality
from local.standins.gemini.wire import read_message
from shared.clock import Clock

_USUAL_TTL = 3600.0


class CachedContent(BaseModel):
    """A context cache.

    `body` is the creating request, stored so that a restart can read it again. Times are epoch seconds.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    model: str
    display_name: str | None
    created: float
    updated: float
    expires: float
    body: dict[str, Any]
    items: tuple[Item, ...]
    tokens: dict[Modality, int]

    def prompt(self) -> Prompt:
        request = read_message("CachedContent", self.body)
        return Prompt(
            turns=tuple(request.get("contents", [])),
            system="\n".join(texts(request.get("systemInstruction", {}))),
            items=self.items,
            tools=tuple(request.get("tools", [])),
            tool_config=request.get("toolConfig", {}),
            tokens=Counter(self.tokens),
        )

    def resource(self) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "name": f"cachedContents/{self.id}",
            "model": f"models/{self.model}",
            "createTime": timestamp(self.created),
            "updateTime": timestamp(self.updated),
            "expireTime": timestamp(self.expires),
            "usageMetadata": {"totalTokenCount": sum(self.tokens.values())},
        }
        if self.display_name is not None:
            answer["displayName"] = self.display_name
        return answer


class CacheStore:
    """Each cache as `caches/ID.json`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / "caches"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._caches: dict[str, CachedContent] = {}
        for record in self._folder.glob("*.json"):
            cache = read_record(record, CachedContent)
            self._caches[cache.id] = cache

    def get(self, name: str) -> CachedContent:
        self._expire()
        if (cache := self._caches.get(name.removeprefix("cachedContents/"))) is None:
            raise ApiError(403, "CachedContent not found (or permission denied)")
        return cache

    def newest_first(self) -> list[CachedContent]:
        self._expire()
        return sorted(self._caches.values(), key=lambda cache: -cache.created)

    def create(self, body: dict[str, Any], request: dict[str, Any], prompt: Prompt, model: Model) -> CachedContent:
        tokens = sum(prompt.tokens.values())
        if tokens < model.cache_minimum:
            raise invalid(
                f"Cached content is too small. total_token_count={tokens}, min_total_token_count={model.cache_minimum}"
            )
        if tokens > model.input_token_limit:
            raise invalid(f"Cached content is too large: {tokens} tokens, at most {model.input_token_limit}.")
        now = self._clock.time()
        cache = CachedContent(
            id=secrets.token_hex(18),
            model=model.id,
            display_name=request.get("displayName"),
            created=now,
            updated=now,
            expires=_expiry(request, now) or now + _USUAL_TTL,
            body=body,
            items=prompt.items,
            tokens=dict(prompt.tokens),
        )
        self._save(cache)
        return cache

    def update(self, cache: CachedContent, request: dict[str, Any]) -> CachedContent:
        """Update the expiry; other fields cannot be changed."""
        fixed = request.keys() - {"ttl", "expireTime", "name", "model"}
        now = self._clock.time()
        if fixed or (expires := _expiry(request, now)) is None:
            raise invalid("Only the expiration (ttl or expire_time) of a CachedContent can be updated.")
        changed = cache.model_copy(update={"expires": expires, "updated": now})
        self._save(changed)
        return changed

    def delete(self, cache: CachedContent) -> None:
        (self._folder / f"{cache.id}.json").unlink(missing_ok=True)
        self._caches.pop(cache.id, None)

    def _save(self, cache: CachedContent) -> None:
        draft = self._folder / f"{cache.id}.draft"
        draft.write_text(cache.model_dump_json())
        draft.rename(self._folder / f"{cache.id}.json")
        self._caches[cache.id] = cache

    def _expire(self) -> None:
        now = self._clock.time()
        for cache in [candidate for candidate in self._caches.values() if candidate.expires <= now]:
            self.delete(cache)


def model_of(request: dict[str, Any], version: Version, today: date) -> Model:
    if not request.get("model"):
        raise invalid("* CreateCachedContentRequest.cached_content.model: model is required.\n")
    return find(request["model"], version, "createCachedContent", today)


def cached_prompt(caches: CacheStore, request: dict[str, Any], model: Model) -> Prompt | None:
    """Return the cached prompt that a request names. Raises ApiError for fields that must not be combined with it."""
    if not (name := request.get("cachedContent")):
        return None
    cache = caches.get(name)
    if cache.model != model.id:
        raise invalid(
            f"Model used by GenerateContent request (models/{model.id}) and CachedContent (models/{cache.model}) has "
            "to be the same."
        )
    if request.keys() & {"systemInstruction", "tools", "toolConfig"}:
        raise invalid(
            "CachedContent can not be used with GenerateContent request setting system_instruction, tools or "
            "tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request."
        )
    return cache.prompt()


def _expiry(request: dict[str, Any], now: float) -> float | None:
    expires = now + request["ttl"] if "ttl" in request else request.get("expireTime")
    if expires is not None and expires <= now:
        raise invalid("The expiration of a CachedContent must lie in the future.")
    return None if expires is None else float(expires)
