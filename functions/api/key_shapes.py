"""The shapes of responses about API keys, for the API's OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from functions.api.response_shapes import KeyShown, Shape
from shared.domain.tasks.view import Seconds


class KeyListed(KeyShown):
    """An API key as its operator sees it."""

    object: Literal["key"]
    state: Literal["active", "expired", "revoked"]
    created: Seconds
    expires_at: Seconds | None
    requests_per_minute: int
    daily_tasks: int | None
    daily_budget: Annotated[str | None, Field(description="US dollars.")]


class KeyMade(KeyListed):
    secret: Annotated[str, Field(description="Shown only now.")]


class KeyList(Shape):
    object: Literal["list"]
    data: list[KeyListed]
