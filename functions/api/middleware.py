"""ASGI middleware of every request: request id, HEAD, the key's headers, and unexpected errors.

Pure ASGI: Starlette's `BaseHTTPMiddleware` hides a client that went away and turns a crashed stream into a clean end.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.error_answers import internal_error
from shared.cloud.telemetry import log, log_bug

_TAKEN_OVER = re.compile(rb"[A-Za-z0-9._-]{1,128}")


@dataclass
class Visit:
    """State of one request."""

    request_id: str
    head: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    """Headers to add to the response."""


_visit: ContextVar[Visit] = ContextVar("visit")


def visit() -> Visit:
    return _visit.get()


class Surround:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        here = Visit(_request_id(scope), head=scope["method"] == "HEAD")
        _visit.set(here)
        answer = _Answer(here, send)
        # HEAD is answered wherever GET is, by the same code, without the body.
        inner = {**scope, "method": "GET"} if here.head else scope
        try:
            await self._app(inner, receive, answer.send)
        except ClientDisconnect:
            log("INFO", "client_gone", "the caller went away", request=here.request_id, path=scope["path"])
        except Exception as error:
            if answer.started:
                raise
            log_bug("request_failed", error, request=here.request_id, method=scope["method"], path=scope["path"])
            response = internal_error(_accept(scope), here.request_id)
            await response(inner, receive, answer.send)


class _Answer:
    def __init__(self, here: Visit, send: Send) -> None:
        self._here, self._send = here, send
        self.started = self._ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            own = {"X-Request-Id": self._here.request_id, "X-Content-Type-Options": "nosniff", **self._here.headers}
            added = [(name.lower().encode(), value.encode()) for name, value in own.items()]
            given = {name for name, _ in message["headers"]}
            merged = [*message["headers"], *(pair for pair in added if pair[0] not in given)]
            message = {**message, "headers": merged}
        elif self._here.head:
            if self._ended:
                return
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id")
    return given.decode() if given and _TAKEN_OVER.fullmatch(given) else f"req-{secrets.token_hex(12)}"


def _accept(scope: Scope) -> str:
    return (_header(scope, b"accept") or b"").decode("latin-1")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
