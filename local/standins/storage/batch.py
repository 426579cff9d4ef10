"""Batches: up to 100 calls in one `multipart/mixed` request, each answered in a part of the answer."""

from __future__ import annotations

import http
import uuid
from collections.abc import Awaitable, Callable
from email.message import Message
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message as AsgiMessage

from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.multipart import Parts, boundary_of
from local.standins.storage.request import ApiRequest

_CALLS_LIMIT = 1000
"""The documented limit is 100; the service takes what the client allows."""
_CALL_BYTES_LIMIT = 1 << 20


class Batches:
    """Answers batches; `answer` answers a single call."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def run(self, request: ApiRequest) -> Response:
        parts = Parts(request.http.stream(), boundary_of(request.http.headers.get("content-type", "")))
        calls: list[tuple[Message, bytes]] = []
        while (headers := await parts.next()) is not None:
            calls.append((headers, await parts.body(_CALL_BYTES_LIMIT)))
            if len(calls) > _CALLS_LIMIT:
                raise invalid(f"The batch request holds more than {_CALLS_LIMIT} calls.")
        if not calls:
            raise invalid("Failed to parse batch request: no calls.")
        requests = [_call(request.http, body) for _, body in calls]
        boundary = f"batch_{uuid.uuid4().hex}"
        out = b""
        for (headers, _), http_request in zip(calls, requests, strict=True):
            answer = await self._answer(http_request)
            name = str(headers.get("content-id", "")).strip("<>")
            lines = [f"--{boundary}", "Content-Type: application/http"]
            lines += [f"Content-ID: <response-{name}>"] if name else []
            lines += ["", f"HTTP/1.1 {answer.status_code} {_phrase(answer.status_code)}"]
            lines += [f"{key}: {value}" for key, value in answer.headers.items()]
            out += "\r\n".join([*lines, "", ""]).encode() + bytes(answer.body) + b"\r\n"
        out += f"--{boundary}--\r\n".encode()
        return Response(out, 200, {"content-type": f"multipart/mixed; boundary={boundary}"})


def _call(outer: Request, text: bytes) -> Request:
    """Parse the HTTP request in a part: a request line, headers, an empty line, a body."""
    head, _, body = text.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    line, *header_lines = head.decode("utf-8", "replace").split("\n")
    words = line.split(" ")
    if len(words) < 2:
        raise ApiError(400, "Failed to parse batch request: a part holds no HTTP request.", "badRequest")
    try:
        url = urlsplit(words[1])
    except ValueError:
        raise invalid(f"Failed to parse batch request: {words[1][:100]!r} is no address.") from None
    if url.path.startswith(("/upload/", "/download/", "/batch")) or "alt=media" in url.query:
        raise invalid("Uploads, downloads and batches cannot be part of a batch.")
    pairs = [header.split(":", 1) for header in header_lines if ":" in header]
    headers = [(name.strip().lower().encode(), value.strip().encode()) for name, value in pairs]
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", outer.headers.get("host", "127.0.0.1").encode()))

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        **outer.scope,
        "method": words[0].upper(),
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": headers,
    }
    return Request(scope, receive)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
