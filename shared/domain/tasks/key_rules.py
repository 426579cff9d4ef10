"""Rules for API keys: their state, their ids, and which rights a key may give to another."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from shared.domain.tasks.access import Key

KeyState = Literal["active", "expired", "revoked"]


def state_of(key: Key, now: datetime) -> KeyState:
    if key.revoked:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def id_of_name(name: str, ending: str) -> str:
    """Return a readable id: the name in ASCII letters, and `ending`."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24].rstrip("-") or "key"
    return f"{plain}-{ending}"


def newest_of_each(keys: list[Key], now: datetime) -> list[Key]:
    """Return the newest secret of each key, an active one if there is one; the newest keys first."""
    chosen: dict[str, Key] = {}
    for key in sorted(keys, key=lambda key: (state_of(key, now) == "active", key.created_at)):
        chosen[key.id] = key
    return sorted(chosen.values(), key=lambda key: key.created_at, reverse=True)


def excess_of(key: Key, maker: Key) -> tuple[str, str] | None:
    """Return the first field in which `key` may more than its maker, and a sentence; None if there is none.

    The same holds for a rotation, whose new secret is shown to the maker.
    """
    if scopes := [scope for scope in key.scopes if scope not in maker.scopes]:
        return "scopes", f"Your key cannot pass on {', '.join(scopes)}: it has {', '.join(maker.scopes)}."
    if sources := [source for source in key.sources if not _covers(maker, source)]:
        own = ", ".join(maker.sources) or "none"
        return "sources", f"Your key cannot pass on {', '.join(sources)}: its sources are {own}."
    if maker.expires_at is not None and (key.expires_at is None or key.expires_at > maker.expires_at):
        return "expires_in", f"Your own key expires at {maker.expires_at.isoformat()}: no other may outlive it."
    if key.requests_per_minute > maker.requests_per_minute:
        return "requests_per_minute", f"Your key may send {maker.requests_per_minute} requests a minute."
    if maker.daily_tasks is not None and (key.daily_tasks is None or key.daily_tasks > maker.daily_tasks):
        return "daily_tasks", f"Your key may submit {maker.daily_tasks} tasks a day."
    if maker.daily_budget is not None and (key.daily_budget is None or key.daily_budget > maker.daily_budget):
        return "daily_budget", f"Your key may spend {maker.daily_budget:f} US dollars a day."
    return None


def _covers(maker: Key, source: str) -> bool:
    return source in maker.sources or (source.startswith("gs://") and maker.covers(source))
