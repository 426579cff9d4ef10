"""What the page has on the local system only: a one-time sign-in, the samples, and the switches of the control server.

They are served under /local/ on the API's own port, before the function: the page may call no other origin, and the
control server answers no browser. All of it but the sign-in needs the local key.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SAMPLES = Path(__file__).resolve().parents[1] / "tests" / "samples"
SAMPLE_NAMES = ("speech.mp3", "photo.jpg", "report.pdf")
_PREFIX = "/local/"
_CONTROLLED = {
    ("clock", "PUT"), ("events", "PUT"), ("faults", "DELETE"), ("faults", "GET"), ("faults", "POST"), ("kill", "POST"),
    ("model", "DELETE"), ("model", "PUT"), ("stats", "GET"), ("workers", "GET"),
}  # fmt: skip
"""What of the control server the page may use."""


class PageDoor:
    """An ASGI app in front of the API's. `key` returns the local API key once it exists."""

    def __init__(self, api: ASGIApp, control: ASGIApp, key: Callable[[], str]) -> None:
        self._api, self._control, self._key = api, control, key
        self._codes: set[str] = set()

    def new_code(self) -> str:
        """Return a code that signs a page in once."""
        code = secrets.token_urlsafe(18)
        self._codes.add(code)
        return code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await self._api(scope, receive, send)
            return
        request = Request(scope, receive)
        rest = scope["path"].removeprefix(_PREFIX)
        if rest == "sign-in":
            response: Response = await self._sign_in(request)
        elif not self._is_authorised(request):
            response = _refusal(401, "Send the local system's API key: Authorization: Bearer sk-…")
        elif rest.startswith("samples/"):
            response = _sample(rest.removeprefix("samples/"))
        elif (rest.removeprefix("control/"), scope["method"]) in _CONTROLLED and rest.startswith("control/"):
            await self._control(_as_control(scope, rest), receive, send)
            return
        else:
            response = _refusal(404, "There is nothing here.")
        await response(scope, receive, send)

    async def _sign_in(self, request: Request) -> Response:
        """Exchange a code for the key; a code works once."""
        if request.method != "POST" or request.headers.get("content-type") != "application/json":
            return _refusal(405, 'POST {"code": …} as JSON.')
        try:
            code = json.loads(await request.body())["code"]
        except (ValueError, KeyError, TypeError):
            return _refusal(422, 'The body must be {"code": …}.')
        if not isinstance(code, str):
            return _refusal(422, 'The body must be {"code": …}.')
        if code not in self._codes:
            return _refusal(401, "This link has been used already. `dropsight env` prints the key.")
        self._codes.discard(code)
        return JSONResponse({"key": self._key()}, headers={"Cache-Control": "no-store"})

    def _is_authorised(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self._key().encode())


def _sample(name: str) -> Response:
    return FileResponse(SAMPLES / name) if name in SAMPLE_NAMES else _refusal(404, "There is no such sample.")


def _as_control(scope: Scope, rest: str) -> Scope:
    """Return the request as the control server takes it: at its own path and address."""
    path = "/" + rest.removeprefix("control/")
    headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
    return {**scope, "path": path, "raw_path": path.encode(), "headers": [*headers, (b"host", b"127.0.0.1")]}


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, status_code=status)
