"""What an API key may see and do.

A key sees the tasks it submitted, those of objects under its `sources`, and those of manifests under a `manifests:`
source. For all other tasks it gets 404.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.tasks.task import Task, folder_of

Scope = Literal["submit", "read", "operate"]
SCOPES: tuple[Scope, ...] = ("submit", "read", "operate")
DEFAULT_SCOPES: tuple[Scope, ...] = ("submit", "read")

_MAX_SOURCES = 29
"""A Firestore query takes 30 values; one of them is the key itself."""
_SOURCE = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/.*|manifests:[^/]*", re.DOTALL)


def _valid_source(text: str) -> str:
    if _SOURCE.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} is not a source: write gs://bucket/ or gs://bucket/folder/ (with a slash after the bucket, or "
            "gs://inbox would mean gs://inbox-2 too), or manifests:folder"
        )
    return text


class Key(BaseModel):
    """One API key. `id` names it in logs and owners, and reveals nothing of the secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,38}$")
    name: str
    scopes: tuple[Scope, ...] = DEFAULT_SCOPES
    sources: tuple[Annotated[str, AfterValidator(_valid_source)], ...] = Field(default=(), max_length=_MAX_SOURCES)
    """Prefixes of objects that it may name as inputs and whose tasks it sees; `manifests:{folder}` shows tasks only."""
    created_at: datetime
    expires_at: datetime | None = None
    requests_per_minute: int = Field(default=600, ge=1)
    daily_tasks: int | None = Field(default=None, ge=0)
    """Tasks that it may submit per day (UTC)."""
    daily_budget: Decimal | None = Field(default=None, ge=0)
    """US dollars that its tasks may cost per day (UTC); None: the deployment's `key_daily_budget`."""
    revoked: bool = False

    @property
    def owner(self) -> str:
        return f"key:{self.id}"

    def sees(self, task: Task) -> bool:
        return self.sees_source(task.owner, task.source.kind, task.source.uri)

    def sees_source(self, owner: str, kind: str, uri: str) -> bool:
        """Return whether it sees the tasks of this owner about this source."""
        return owner == self.owner or owner in self.sources or (kind == "object" and self.covers(uri))

    def covers(self, uri: str) -> bool:
        """Return whether an object lies under one of its sources."""
        return any(uri.startswith(source) for source in self.sources if source.startswith("gs://"))

    def visible_prefixes(self, prefix: str | None = None) -> list[str]:
        """Return values of `Task.visible_to` that cover all visible tasks, or more; with `prefix`, those below it."""
        if prefix is None:
            places = [source for source in self.sources if source.startswith("gs://")]
            others = [source for source in self.sources if not source.startswith("gs://")]
            return [self.owner, *others, *dict.fromkeys(folder_of(place) for place in places)]
        return list(dict.fromkeys(folder_of(place) for place in self._narrowed(prefix)))

    def exact_prefix(self, prefix: str | None) -> str | None:
        """Return the one prefix of the visible names below `prefix`, if it ends within a name; else None."""
        narrowed = list(dict.fromkeys(self._narrowed(prefix))) if prefix is not None else []
        return narrowed[0] if len(narrowed) == 1 and folder_of(narrowed[0]) != narrowed[0] else None

    def _narrowed(self, prefix: str) -> list[str]:
        """Return the sources below `prefix`, and `prefix` for those above it."""
        places = [source for source in self.sources if source.startswith("gs://")]
        return [prefix if prefix.startswith(place) else place for place in places if _overlap(prefix, place)]


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
