"""Routes requests to handlers by the percent-encoded path, so that a name may contain any character."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.database import CannotWrite
from local.standins.ledger import Ledger
from local.standins.storage.checksums import note_object
from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.iam import authorize
from local.standins.storage.request import ApiRequest, discard_body

Handler = Callable[[ApiRequest], Awaitable[Response]]
Cost = Literal["class_a", "class_b", "free"]

_LENGTHS = frozenset({"content-length", "transfer-encoding"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Route:
    method: str
    pattern: tuple[str, ...]
    handler: Handler
    cost: Cost


class Router:
    """An ASGI app. Patterns are such as `/storage/v1/b/{bucket}/o/{object}`; each route says how its call is billed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._routes: list[_Route] = []
        self.otherwise: Handler | None = None
        """Handles requests that match no route, with the percent-encoded path as the parameter `path`."""

    def add(self, method: str, pattern: str, handler: Handler, cost: Cost = "free") -> None:
        self._routes.append(_Route(method, tuple(pattern.strip("/").split("/")), handler, cost))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = _without_length(request) or await self.answer(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Answer a request; the calls within a batch use this too."""
        try:
            return await self._call(request)
        except ApiError as refusal:
            await discard_body(request)
            return _refused(request, refusal)
        except ClientDisconnect:
            raise
        except RecursionError:
            return _refused(request, invalid("The request is nested too deeply."))
        except (OSError, CannotWrite) as error:
            # Transient to a client: a disk that is full may have room again. Nothing of the change was kept.
            _log.warning("%s %s could not be kept: %s", request.method, request.url.path, error)
            await discard_body(request)
            return _refused(request, ApiError(503, f"The change could not be kept: {error}"))
        except Exception:
            _log.exception("%s %s failed", request.method, request.url.path)
            return _refused(request, ApiError(500, "We encountered an internal error. Please try again."))

    async def _call(self, request: Request) -> Response:
        method = request.method
        if method == "POST" and "x-http-method-override" in request.headers:
            method = request.headers["x-http-method-override"].upper()
        raw = request.scope.get("raw_path") or request.scope["path"].encode()
        segments = _with_version(raw.decode("ascii", "replace").strip("/").split("/"))
        allowed = set()
        for route in self._routes:
            parts = _match(route.pattern, segments)
            if parts is None:
                continue
            if route.method == method:
                if "bucket" in parts and "object" in parts:
                    note_object(parts["bucket"], parts["object"])
                elif route.pattern[-1] not in ("o", "v1"):
                    # No role of objects allows what concerns buckets and the project.
                    authorize("storage.buckets.get", parts.get("bucket", ""))
                response = await route.handler(ApiRequest(request, self._ledger, parts))
                if route.cost != "free":
                    self._ledger.count("storage", route.cost)
                return response
            allowed.add(route.method)
        if allowed:
            raise ApiError(405, f"{method} is not allowed here; {', '.join(sorted(allowed))} is.")
        if self.otherwise is not None:
            return await self.otherwise(ApiRequest(request, self._ledger, {"path": "/".join(segments)}))
        raise ApiError(404, "Not Found")


def _without_length(request: Request) -> Response | None:
    """Return the refusal of a body whose length is not told, as Google's front ends give it: 0 is a length too."""
    if request.method not in ("POST", "PUT") or not _LENGTHS.isdisjoint(request.headers):
        return None
    return _refused(request, ApiError(411, f"{request.method} requests require a Content-length header."))


def _with_version(segments: list[str]) -> list[str]:
    """Complete an address that lacks `/storage/v1`: Google's client for Node leaves it out with STORAGE_EMULATOR_HOST.

    No bucket is hidden by it: names have three characters at least.
    """
    project = segments[0] == "projects" and segments[2:3] in (["serviceAccount"], ["hmacKeys"])
    return ["storage", "v1", *segments] if segments[0] == "b" or project else segments


def _match(pattern: tuple[str, ...], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    parts = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            try:
                parts[expected[1:-1]] = unquote(segment, errors="strict")
            except UnicodeDecodeError:
                raise invalid("Invalid path: it is not UTF-8.") from None
        elif expected != segment:
            return None
    return parts


def _refused(request: Request, refusal: ApiError) -> Response:
    body = b"" if refusal.status in (304, 499) else refusal.body()
    headers = {**refusal.headers}
    if body:
        headers["content-type"] = "application/json; charset=UTF-8"
    return Response(body or None, refusal.status, headers)
