"""Authenticate callers by Bearer keys, check scopes, and limit the request rate of each key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated

from cachetools import LRUCache
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.requests import Request

from functions.api.request_state import request_state
from shared import wiring
from shared.clock import Clock
from shared.cloud.keys import TooManyUnknown
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key, Scope

COOKIE = "dropsight_files"
"""Holds the key for a browser's own requests: see `functions.api.routes.session`."""
_KEYS_REMEMBERED = 10_000
_BEARER = HTTPBearer(auto_error=False, scheme_name="api_key", description="`Authorization: Bearer sk-…`")


class RequireScope:
    """Return a dependency that yields the caller's key and refuses keys without `scope`."""

    def __init__(self, scope: Scope) -> None:
        self.scope: Scope = scope

    async def __call__(self, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> Key:
        key = request_state().key or await _admitted(credentials)
        require_scope(key, self.scope)
        return key


class ReadFiles:
    """The dependency of routes that serve files: the key from the header or, for a browser, from the page's cookie.

    The cookie is refused from pages of other origins, although SameSite=Strict keeps it away from them already.
    """

    async def __call__(
        self, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Key:
        if credentials is None and (secret := request.cookies.get(COOKIE)):
            if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                raise _unauthorised_refusal("missing_api_key", "Send your API key: Authorization: Bearer sk-…")
            credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=secret)
        key = await _admitted(credentials)
        require_scope(key, "read")
        return key


Reader = Annotated[Key, Depends(RequireScope("read"))]
Submitter = Annotated[Key, Depends(RequireScope("submit"))]
Operator = Annotated[Key, Depends(RequireScope("operate"))]
FileReader = Annotated[Key, Depends(ReadFiles())]


async def _admitted(credentials: HTTPAuthorizationCredentials | None) -> Key:
    """Return the caller's key, and count its request."""
    key = await authenticate(credentials.credentials if credentials is not None else "")
    limit_rate(key)
    return key


def require_scope(key: Key, scope: Scope) -> None:
    """Raise 403 if the key lacks the scope."""
    if scope not in key.scopes:
        message = f"This key may not {scope}: it has the scopes {', '.join(key.scopes) or 'none'}."
        raise RequestRefused(403, "scope_missing", message)


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class Rates:
    """Token buckets per key within this instance: `n` instances together allow `n` times the rate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: LRUCache[str, _Bucket] = LRUCache(_KEYS_REMEMBERED)

    def take_token(self, key: Key) -> tuple[float, float]:
        """Take a token. Return the tokens left (below 0: none was left) and the seconds until the next one."""
        rate, now = key.requests_per_minute / 60, self._clock.time()
        bucket = self._buckets.setdefault(key.id, _Bucket(key.requests_per_minute, now))
        bucket.tokens = min(key.requests_per_minute, bucket.tokens + (now - bucket.filled_at) * rate)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return -1, (1 - bucket.tokens) / rate
        bucket.tokens -= 1
        return bucket.tokens, max(0.0, 1 - bucket.tokens) / rate


@cache
def rates() -> Rates:
    return Rates(wiring.api().clock)


def limit_rate(key: Key) -> None:
    """Count one request of the key and set the RateLimit headers. Raises `RequestRefused` if none was left."""
    left, wait = rates().take_token(key)
    seconds = math.ceil(wait)
    limit = {
        "RateLimit-Policy": f'"default";q={key.requests_per_minute};w=60',
        "RateLimit": f'"default";r={max(0, int(left))};t={seconds}',
    }
    request_state().headers.update(limit)
    if left < 0:
        message = f"This key may send {key.requests_per_minute} requests a minute. Try again in {seconds} s."
        raise RequestRefused(429, "rate_limited", message, headers={"Retry-After": str(max(1, seconds))})


async def authenticate(secret: str) -> Key:
    """Return the key of a secret. Raises `RequestRefused` if it is missing, unknown, revoked or expired."""
    if not secret:
        raise _unauthorised_refusal("missing_api_key", "Send your API key: Authorization: Bearer sk-…")
    deps = wiring.api()
    try:
        key = await deps.keys.find(secret)
    except TooManyUnknown as error:
        message = "Too many unknown keys are being sent, and this one has not been looked up. Try again in a second."
        raise RequestRefused(429, "rate_limited", message, headers={"Retry-After": "1"}) from error
    if key is None or key.revoked:
        raise _unauthorised_refusal("invalid_api_key", "This API key is not known. Ask the operator for a new one.")
    if key.expires_at is not None and key.expires_at <= deps.clock.now():
        raise _unauthorised_refusal("expired_api_key", f"This API key expired at {key.expires_at.isoformat()}.")
    return key


def _unauthorised_refusal(code: str, message: str) -> RequestRefused:
    error = "" if code == "missing_api_key" else ', error="invalid_token"'
    headers = {"WWW-Authenticate": f'Bearer realm="dropsight"{error}'}
    return RequestRefused(401, code, message, headers=headers)
