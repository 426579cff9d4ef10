"""The state of the current request, in a context variable."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.domain.tasks.access import Key

if TYPE_CHECKING:
    from shared.cloud.firestore import UndecodedTask


@dataclass
class RequestState:
    """State of one request."""

    request_id: str
    head: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    """Headers to add to the response."""
    key: Key | None = None
    """The caller's key, if it was authenticated and rate-limited already."""
    document: UndecodedTask | None = None
    """The document of the task in the path, if it was read already."""


_request_state: ContextVar[RequestState] = ContextVar("request_state")


def enter_request(state: RequestState) -> None:
    _request_state.set(state)


def request_state() -> RequestState:
    return _request_state.get()
