"""Continuation tokens: where in an answer the next request goes on.

Only Gemini 4 models give them. A request is a hop: it answers up to its own limit of tokens and ends with the finish
reason CONTINUATION and a token, or carries a token midway (a checkpoint). The same request with the token in it is
answered from there.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.errors import invalid
from local.standins.gemini.models import Model

UNARY_HOP_TOKENS = 32_768
STREAMED_HOP_TOKENS = 65_536


@dataclass(frozen=True)
class Hop:
    """One request's share of an answer."""

    token: bytes | None = None
    """The continuation token that the request carries."""
    most_tokens: int | None = None
    """After how many tokens it ends with CONTINUATION; None: the model gives no tokens, and never does."""


def hop(token: bytes | None, model: Model, behaviour: Behaviour, *, streamed: bool) -> Hop:
    """Return the hop of a request with `token`. Raises the 400 for a token that the model does not take."""
    gives = model.continuation if behaviour.continuation_tokens is None else behaviour.continuation_tokens
    if token is not None and not gives:
        raise invalid(f"Continuation token is not supported for models/{model.id}")
    if not gives:
        return Hop()
    return Hop(token, behaviour.hop_tokens or (STREAMED_HOP_TOKENS if streamed else UNARY_HOP_TOKENS))


def token_at(digest: str, position: int) -> str:
    """Return the token, in base64, that resumes the answer to the request of `digest` at a character."""
    inner = json.dumps({"request": digest, "at": position, "check": _check(digest, position)})
    return base64.b64encode(inner.encode()).decode()


def position_of(token: bytes | None, digest: str) -> int:
    """Return the character at which an answer goes on. Raises the 400 for a token of another request, or of none."""
    if token is None:
        return 0
    try:
        read = json.loads(token)
        of_request, position, check = read["request"], int(read["at"]), read["check"]
    except (ValueError, KeyError, TypeError):
        raise invalid("The continuation token is invalid.") from None
    if of_request != digest or check != _check(digest, position):
        raise invalid("The continuation token is invalid: it must be sent with the request that it was given for.")
    return position


def length_of(part: dict[str, Any]) -> int:
    """Return how far a part moves a token's position: by its characters; a call or a thought is one."""
    return len(part["text"]) if "text" in part and not part.get("thought") else 1


def from_position(parts: Iterable[dict[str, Any]], position: int) -> list[dict[str, Any]]:
    """Return the parts of an answer from a token's position on."""
    if position == 0:
        return [dict(part) for part in parts]
    rest = []
    for part in parts:
        passed = min(position, length_of(part))
        position -= passed
        if passed < length_of(part):
            rest.append({**part, "text": part["text"][passed:]} if passed else dict(part))
    return rest


def _check(digest: str, position: int) -> str:
    return hashlib.sha256(f"{digest} {position}".encode()).hexdigest()[:16]
