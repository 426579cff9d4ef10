"""Plays Cloud Run in front of the functions: IAM, limits on requests and instances, and a streaming proxy.

Each function has its own ASGI app on its own port. Bodies are streamed in both directions.
"""

from __future__ import annotations

import asyncio
import html
import logging
import re
import secrets
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from local.standins.deadlines import Deadlines
from local.standins.http1 import ConnectionLost, HttpConnection, MalformedAnswer
from local.standins.oidc import Issuer, TokenRefused, without_signature
from shared.clock import Clock

Backend = Callable[[], Awaitable[str]]
"""Returns the base URL of a worker that serves the function, after starting one if there is none."""

LARGEST_REQUEST_BYTES = 32 << 20
"""Cloud Run's limit for HTTP/1 requests; larger ones are answered 413."""
_PENDING_SECONDS = 10.0
"""How long a request waits for an instance with room, before 429."""

_log = logging.getLogger(__name__)
# Cloud Run reserves `/eventlog`, `/_ah/…` and "some paths ending with z". Known to be reserved are paths of one segment
# (/healthz, /statusz, …); longer paths may end in z, as a task's id does.
_RESERVED = re.compile(r"/(eventlog|_ah/.*|[a-z]+z)", re.DOTALL)
_HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
    b"te", b"trailer", b"upgrade", b"expect",
}  # fmt: skip
_SET_BY_PROXY = {b"server", b"date"}


@dataclass(frozen=True)
class Route:
    """How to reach one function. `invokers` None lets everybody call it (allUsers)."""

    function: str
    backend: Backend
    invokers: frozenset[str] | None = None
    audiences: frozenset[str] = frozenset()
    """Audiences accepted in ID tokens, besides the URL at which the function is served."""
    timeout: float = 60.0
    """Seconds for the whole response; then the caller gets 504, while the instance goes on."""
    max_instances: int = 100
    concurrency: int = 1
    """Requests at once per instance."""


class FrontDoor:
    """Makes the ASGI apps of the functions: `app(route)`."""

    def __init__(self, *, clock: Clock, issuer: Issuer, restart_patience: float = 30.0) -> None:
        """`restart_patience`: seconds for which a connection to a restarting worker is retried."""
        self.clock, self.issuer, self.restart_patience = clock, issuer, restart_patience
        self.deadlines = Deadlines(clock)
        self._in_flight: Counter[str] = Counter()

    def app(self, route: Route) -> ASGIApp:
        slots = _Slots(route.max_instances * route.concurrency)

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            exchange = _Exchange(self, route, scope, receive, send)
            if (headers := exchange.admitted_headers()) is None:
                await exchange.refuse()
                return
            self._in_flight[route.function] += 1
            try:
                await exchange.run(headers, slots)
            finally:
                self._in_flight[route.function] -= 1

        return front

    def in_flight(self, function: str) -> int:
        """Return how many admitted requests are not answered to their end, waiting ones included."""
        return self._in_flight[function]


class _Slots:
    """The requests that a function's instances can serve at once, in order of arrival."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Refused(Exception):
    def __init__(self, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers


class _Exchange:
    """One request and its response."""

    def __init__(self, door: FrontDoor, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        self._door, self._route, self._scope, self._receive, self._send = door, route, scope, receive, send
        self._headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        self._path = cast(bytes, scope.get("raw_path") or scope["path"].encode())
        self._refusal: _Refused | None = None
        self._response_started = False
        self._body_read = self._client_gone = False

    def admitted_headers(self) -> list[tuple[bytes, bytes]] | None:
        """Return the headers for the function, or None if the request must be refused (`refuse` answers the caller)."""
        try:
            if _RESERVED.fullmatch(self._scope["path"]):
                raise _Refused(404, "The requested URL was not found on this server.")
            headers = self._authenticate()
            length = self._header(b"content-length") or b"0"
            if not length.isdigit() or int(length) > LARGEST_REQUEST_BYTES:
                raise _too_large()
        except _Refused as refusal:
            self._refusal = refusal
            return None
        return self._forwarded_headers(headers)

    async def refuse(self) -> None:
        assert self._refusal is not None
        await self._send_own_response(self._refusal)

    async def run(self, headers: list[tuple[bytes, bytes]], slots: _Slots) -> None:
        now = self._door.clock.time()
        try:
            try:
                async with self._door.deadlines.until(now + _PENDING_SECONDS):
                    await slots.acquire()
            except TimeoutError:
                raise _Refused(429, "Rate exceeded.") from None
            try:
                async with self._door.deadlines.until(now + self._route.timeout):
                    await self._proxy(headers)
            except TimeoutError:
                raise _Refused(504, "upstream request timeout") from None
            finally:
                slots.release()
        except _Refused as refusal:
            if refusal.status in (502, 503, 504):
                _log.warning("%s: %s %s: %s", self._route.function, refusal.status, self._scope["path"], refusal.text)
            await self._send_own_response(refusal)

    def _header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self._headers if key == name), None)

    def _authenticate(self) -> list[tuple[bytes, bytes]]:
        """Return the headers, the ID token in them without its signature. Raises _Refused (401, 403)."""
        if self._route.invokers is None:
            return self._headers
        name = b"x-serverless-authorization"
        value = self._header(name)
        if value is None:
            name, value = b"authorization", self._header(b"authorization")
        if value is None:
            raise self._forbidden()
        scheme, _, token = value.decode("latin-1").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise TokenRefused(f"the scheme is {scheme!r}, not Bearer")
            claims = self._door.issuer.verify(token.strip(), self._audiences())
        except TokenRefused as refusal:
            _log.warning("%s: 401 %s: %s", self._route.function, self._scope["path"], refusal)
            challenge = b'Bearer error="invalid_token" error_description="The access token could not be verified"'
            text = "Your client does not have permission to the requested URL."
            raise _Refused(401, text, ((b"www-authenticate", challenge),)) from refusal
        if claims.get("email") not in self._route.invokers:
            _log.warning("%s: 403 %s: %s may not", self._route.function, self._scope["path"], claims.get("email"))
            raise self._forbidden()
        stripped = f"{scheme} {without_signature(token.strip())}".encode("latin-1")
        return [(key, stripped if key == name else value) for key, value in self._headers]

    def _audiences(self) -> set[str]:
        port = self._scope["server"][1]
        urls = {f"http://127.0.0.1:{port}", f"http://localhost:{port}", *self._route.audiences}
        return urls | {f"{url.rstrip('/')}/" for url in urls}

    def _forbidden(self) -> _Refused:
        url = html.escape(self._scope["path"])
        return _Refused(403, f"Your client does not have permission to get URL <code>{url}</code> from this server.")

    def _forwarded_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers without the hop-by-hop ones, and with those that Cloud Run adds."""
        connection_options = {
            token.strip().lower() for key, value in headers if key == b"connection" for token in value.split(b",")
        }
        forwarded = [(key, value) for key, value in headers if key not in _HOP_BY_HOP and key not in connection_options]
        names = {key for key, _ in forwarded}
        client = (self._scope["client"] or ("127.0.0.1", 0))[0].encode()
        hops = [value for key, value in forwarded if key == b"x-forwarded-for"]
        forwarded = [(key, value) for key, value in forwarded if key not in (b"x-forwarded-for", b"x-forwarded-proto")]
        forwarded += [(b"x-forwarded-for", b", ".join([*hops, client])), (b"x-forwarded-proto", b"http")]
        trace, span = secrets.token_hex(16), secrets.token_hex(8)
        if b"traceparent" not in names:
            forwarded.append((b"traceparent", f"00-{trace}-{span}-01".encode()))
        if b"x-cloud-trace-context" not in names:
            forwarded.append((b"x-cloud-trace-context", f"{trace}/{int(span, 16)};o=1".encode()))
        if b"host" not in names:
            forwarded.append((b"host", f"127.0.0.1:{self._scope['server'][1]}".encode()))
        return forwarded

    async def _proxy(self, headers: list[tuple[bytes, bytes]]) -> None:
        base, connection = await self._connect()
        query = self._scope.get("query_string", b"")
        target = urlsplit(base).path.rstrip("/").encode() + self._path + (b"?" + query if query else b"")
        sending: asyncio.Task[None] | None = None
        try:
            await connection.send_head(self._scope["method"], target, headers)
            sending = asyncio.create_task(self._send_body(connection))
            await self._relay(connection)
        except (ConnectionLost, MalformedAnswer) as error:
            if self._client_gone:
                return
            if self._refusal is not None:
                raise self._refusal from error
            status = 502 if isinstance(error, MalformedAnswer) else 503
            raise _Refused(status, f"the connection to the instance had an error: {error}") from error
        finally:
            connection.close()
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _connect(self) -> tuple[str, HttpConnection]:
        # Workers restart in the machine's own time, however the clock is moved.
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + self._door.restart_patience
        while True:
            try:
                base = await self._route.backend()
            except Exception as error:
                _log.exception("%s: no instance could be started", self._route.function)
                raise _Refused(503, "The service you requested is not available yet.") from error
            try:
                return base, await HttpConnection.to(base)
            except OSError as error:
                if loop.time() >= patience_ends:
                    raise _Refused(503, f"no instance accepts connections: {error}") from error
                await asyncio.sleep(0.05)

    async def _send_body(self, connection: HttpConnection) -> None:
        """Send the request's body, then watch whether the caller hangs up. Runs while the response is relayed."""
        sent_bytes = 0
        worker_reads = True
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._client_gone = True
                connection.close()
                return
            body = message.get("body", b"")
            self._body_read = not message.get("more_body")
            sent_bytes += len(body)
            if sent_bytes > LARGEST_REQUEST_BYTES and self._refusal is None:
                self._refusal = _too_large()
                connection.close()
                return
            try:
                if worker_reads and body:
                    await connection.send_body(body)
                if worker_reads and self._body_read:
                    await connection.end_body()
            except ConnectionLost:
                # The function may respond without reading the whole body; `_relay` sees whether it did.
                worker_reads = False

    async def _relay(self, connection: HttpConnection) -> None:
        response = await connection.answer()
        dropped = _HOP_BY_HOP | _SET_BY_PROXY | {b"transfer-encoding"}
        headers = [(key, value) for key, value in response.headers if key not in dropped]
        self._response_started = True
        await self._send({"type": "http.response.start", "status": response.status, "headers": headers})
        async for chunk in connection.chunks():
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _send_own_response(self, refusal: _Refused) -> None:
        """Send Cloud Run's own response, or hang up if the function's response has started."""
        if self._response_started:
            await self._hang_up()
            return
        if refusal.status < 500:
            await self._drain_body()
        title = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><p>{refusal.text}</p></body></html>\n"
        plain = refusal.status in (429, 504)
        body = (refusal.text if plain else page).encode()
        kind = b"text/plain; charset=utf-8" if plain else b"text/html; charset=utf-8"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *refusal.headers]
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    async def _drain_body(self) -> None:
        """Read the rest of the body, up to a bound: many clients miss the response if it comes while they send."""
        read = 0
        while not self._body_read and read < 2 * LARGEST_REQUEST_BYTES:
            message = await self._receive()
            read += len(message.get("body", b""))
            self._body_read = message["type"] == "http.disconnect" or not message.get("more_body")

    async def _hang_up(self) -> None:
        # ASGI cannot abort a connection; uvicorn's `send` is a method of the object that holds the transport.
        cast(Any, self._send).__self__.transport.abort()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def _too_large() -> _Refused:
    return _Refused(413, "Your client issued a request that was too large.")
