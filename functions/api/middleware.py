"""ASGI middleware of every request: request id, HEAD, the key's headers, compressed bodies, and unexpected errors.

Pure ASGI: Starlette's `BaseHTTPMiddleware` hides a client that went away and turns a crashed stream into a clean end.
"""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager, nullcontext

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.error_answers import encoding_refused, render_internal_error, render_outage, render_refusal
from functions.api.fast_lookup import answer_lookup
from functions.api.request_state import RequestState, enter_request
from shared.cloud.telemetry import is_outage, log, log_failure
from shared.cloud.tracing import span

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TAKES_IDEMPOTENCY_KEY = re.compile(
    r"/v1/(?:llm/generations|chat/completions|audio/(?:transcriptions|translations)|tasks/[^/]+/rerun)|/process"
)


class RequestMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = RequestState(_request_id(scope), head=scope["method"] == "HEAD")
        enter_request(state)
        sender = _ResponseSender(state, send)
        # HEAD is answered wherever GET is, by the same code, without the body.
        inner = {**scope, "method": "GET"} if state.head else scope
        try:
            with _traced(scope):
                answer = _refuse_compressed(scope, state) or await answer_lookup(scope) or self._app
                await answer(inner, receive, sender.send)
        except ClientDisconnect:
            log("INFO", "client_gone", "the caller went away", request=state.request_id, path=scope["path"])
        except Exception as error:
            if sender.started:
                raise
            log_failure("request_failed", error, request=state.request_id, method=scope["method"], path=scope["path"])
            if is_outage(error):
                response = render_outage(_accept(scope), state.request_id, may_repeat=may_repeat(scope))
            else:
                response = render_internal_error(_accept(scope), state.request_id)
            await response(inner, receive, sender.send)


def _refuse_compressed(scope: Scope, state: RequestState) -> Response | None:
    encoding = (_header(scope, b"content-encoding") or b"").decode("latin-1").strip().lower()
    if encoding in ("", "identity") or scope["method"] in ("GET", "HEAD"):
        return None
    return render_refusal(encoding_refused(encoding), _accept(scope), state.request_id)


def _traced(scope: Scope) -> AbstractContextManager[None]:
    """Trace requests that may make a task, as part of the caller's own trace if there is one."""
    if scope["method"] != "POST":
        return nullcontext()
    return span("api", parent=(_header(scope, b"traceparent") or b"").decode("latin-1"), kind="server")


class _ResponseSender:
    def __init__(self, state: RequestState, send: Send) -> None:
        self._state, self._send = state, send
        self.started = self._ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            own = {"X-Request-Id": self._state.request_id, "X-Content-Type-Options": "nosniff", **self._state.headers}
            added = [(name.lower().encode(), value.encode()) for name, value in own.items()]
            present = {name for name, _ in message["headers"]}
            merged = [*message["headers"], *(pair for pair in added if pair[0] not in present)]
            message = {**message, "headers": merged}
        elif self._state.head:
            if self._ended:
                return
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    present = _header(scope, b"x-request-id")
    return present.decode() if present and _REQUEST_ID.fullmatch(present) else f"req-{secrets.token_hex(12)}"


def may_repeat(scope: Scope) -> bool:
    """Return whether the same request, sent once more, cannot make a second task."""
    if scope["method"] in ("GET", "HEAD"):
        return True
    has_key = bool(_header(scope, b"idempotency-key"))
    return has_key and _TAKES_IDEMPOTENCY_KEY.fullmatch(scope["path"]) is not None


def _accept(scope: Scope) -> str:
    return (_header(scope, b"accept") or b"").decode("latin-1")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)
