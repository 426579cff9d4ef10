"""Send requests to addresses named by callers, over aiohttp: one time limit, checked addresses, a share per host.

No proxy, no cookie, no redirect followed, nothing decompressed. The name is looked up once, every address it resolves
to is checked, and the connection is made to one of those. This module loads aiohttp: only functions that fetch
or call back import it.

    look-up ──▶ connect ──▶ TLS ──▶ headers ──▶ body        all before the exchange's deadline
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.cloud.outbound import AddressRefused, NoAnswer, Target
from shared.domain.request.addresses import refusal

_CONNECT_SECONDS = 10.0
"""Seconds to connect to one of several addresses; all together have until the deadline."""
_IDLE_SECONDS = 30.0
_LOOKUP_THREADS = 32
_LOOKUPS_PER_DOMAIN = 4
"""DNS look-ups per domain at once. They cannot be cancelled, so slow ones must leave threads for other domains."""
_MAX_ADDRESSES = 8
_CLOCK_STEP = 0.002
"""Seconds: uvloop counts whole milliseconds, so a limit may strike that much early."""
_BUFFER_BYTES = 256 << 10
_HEADERS = {"User-Agent": "Dropsight", "Accept-Encoding": "identity"}


def is_loop_thread(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether the caller runs in the loop's thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class HostBusy(NoAnswer):
    """This host has as many requests under way as it may have."""


class Shares:
    """A semaphore per key: `each` places for every key."""

    def __init__(self, per_host: int) -> None:
        self._each = per_host
        self._places: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def take(self, key: str) -> Callable[[], None]:
        """Wait for a place; return a function that releases it once."""
        semaphore, users = self._places.get(key) or (asyncio.Semaphore(self._each), 0)
        self._places[key] = semaphore, users + 1
        try:
            await semaphore.acquire()
        except BaseException:
            self._leave(key)
            raise
        return partial(self._give_back, key, [semaphore])

    def _give_back(self, key: str, taken: list[asyncio.Semaphore]) -> None:
        if taken:
            taken.pop().release()
            self._leave(key)

    def _leave(self, key: str) -> None:
        semaphore, users = self._places.pop(key)
        if users > 1:
            self._places[key] = semaphore, users - 1


class Outbound:
    """Sends requests to hosts named by callers. Belongs to one event loop."""

    def __init__(self, *, per_host: int, allow_loopback: bool = False) -> None:
        """`per_host` is the number of concurrent requests per host and port."""
        self.allow_loopback = allow_loopback
        self._hosts, self._lookups = Shares(per_host), Shares(_LOOKUPS_PER_DOMAIN)
        self._threads = ThreadPoolExecutor(max_workers=_LOOKUP_THREADS, thread_name_prefix="look-up")

    async def begin(
        self,
        method: str,
        target: Target,
        headers: dict[str, str],
        *,
        seconds: float,
        patience: float | None,
        body: bytes | None = None,
    ) -> Exchange:
        """Send a request; return once the answer's headers are there. The whole exchange ends after `seconds`.

        Raises `HostBusy` if no place for this host is free within `patience` seconds, `AddressRefused` or `NoAnswer`.
        `patience` is None if the request belongs to an exchange that holds a place already.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        give_back = _release_nothing if patience is None else await self._reserve_place(target, min(patience, seconds))
        exchange = Exchange(target, self, deadline - loop.time(), give_back)
        try:
            await exchange.send(method, headers, body)
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _reserve_place(self, target: Target, patience: float) -> Callable[[], None]:
        try:
            async with asyncio.timeout(patience):
                return await self._hosts.take(f"{target.host}:{target.port}")
        except TimeoutError as error:
            raise HostBusy(f"{target.host} is busy with earlier requests") from error

    async def addresses(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """Resolve a name. Raises `AddressRefused` if any of its addresses is not public."""
        loop = asyncio.get_running_loop()
        give_back = await self._lookups.take(".".join(host.split(".")[-2:]))
        running = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)

        def release_lookup(_: object) -> None:
            # The thread may outlive the exchange, and even the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(give_back)

        running.add_done_callback(release_lookup)
        resolved = await asyncio.wrap_future(running)
        for *_, place in resolved:
            self.check(host, str(place[0]))
        return list(resolved)

    def check(self, host: str, address: str) -> None:
        """Raise `AddressRefused` if an address is not public."""
        if what := refusal(address, allow_loopback=self.allow_loopback):
            raise AddressRefused(f"{host} leads to {address}, which is {what}")


class Exchange:
    """One request and its response. All methods but `close` belong to the event loop's thread."""

    def __init__(self, target: Target, outbound: Outbound, seconds: float, give_back: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self._target, self._outbound = target, outbound
        self._deadline, self._seconds, self._give_back = self.loop.time() + seconds, seconds, give_back
        self._sockets: list[socket.socket] = []
        self._session: aiohttp.ClientSession | None = None
        self._answer: aiohttp.ClientResponse | None = None

    @property
    def status(self) -> int:
        return self._received.status

    @property
    def seconds_left(self) -> float:
        return self._deadline - self.loop.time()

    @property
    def length(self) -> int | None:
        """Return the declared length of the body in bytes, or None."""
        length = self._received.headers.get("Content-Length", "")
        is_declared = length.isascii() and length.isdigit() and "Transfer-Encoding" not in self._received.headers
        return int(length) if is_declared else None

    def header(self, name: str) -> str | None:
        return self._received.headers.get(name)

    async def send(self, method: str, headers: dict[str, str], body: bytes | None) -> None:
        self._session = self._opened_session()
        all_headers = {"Host": self._target.host_header, **_HEADERS, **headers}
        data = None if body is None else io.BytesIO(body)
        url = yarl.URL(self._target.url, encoded=True)
        try:
            async with asyncio.timeout_at(self._deadline):
                self._answer = await self._session.request(
                    method, url, headers=all_headers, data=data, allow_redirects=False
                )
        except aiohttp.InvalidURL as error:
            raise AddressRefused("the URL cannot be read") from error
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise self._broken(error) from error

    async def read(self, most: int) -> bytes:
        """Read up to `most` bytes of the body; empty at its end. Raises `NoAnswer`."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._received.content.read(most)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise self._broken(error) from error

    def close(self) -> None:
        """Close the connection. May be called repeatedly and from any thread."""
        if is_loop_thread(self.loop):
            self._close()
        else:
            with contextlib.suppress(RuntimeError):  # The loop may be closed, and the connection with it.
                self.loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._give_back()
        for opened in self._sockets:
            # An orderly close would wait until a receiver that does not read has taken what is left.
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()
        if self._answer is not None:
            self._answer.close()
        if self._session is not None:
            self._session.detach()

    @property
    def _received(self) -> aiohttp.ClientResponse:
        assert self._answer is not None
        return self._answer

    def _opened_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._outbound),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_BUFFER_BYTES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_IDLE_SECONDS),
        )

    def _socket(self, info: Any) -> socket.socket:
        """Create a socket for one address, which is checked whether it was resolved or a literal."""
        family, kind, protocol, _, place = info
        self._outbound.check(self._target.host, str(place[0]))
        opened = socket.socket(family, kind, protocol)
        self._sockets.append(opened)
        return opened

    def _broken(self, error: Exception) -> NoAnswer:
        is_over = self.seconds_left < _CLOCK_STEP
        if is_over or isinstance(error, TimeoutError):
            within = f"within {self._seconds:.0f} s" if is_over else "in time"
            return NoAnswer(f"{self._target.host} did not answer {within}")
        match error:
            case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | ConnectionResetError():
                return NoAnswer(f"{self._target.host} broke the connection off")
            case aiohttp.ClientConnectorDNSError() | UnicodeError():
                why = "its name cannot be resolved"
            case ssl.SSLError() | ssl.CertificateError() | aiohttp.ClientSSLError():
                why = "the TLS handshake failed"
            case aiohttp.ClientConnectorError():
                why = type(error.os_error).__name__
            case _:
                why = type(error).__name__
        return NoAnswer(f"{self._target.host} cannot be reached: {why}")


def _release_nothing() -> None:
    return None


class _Resolver(AbstractResolver):
    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        resolved = await self._outbound.addresses(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=cast(str, place[0]),
                port=port,
                family=address_family,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address_family, _, protocol, _, place in resolved[:_MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        return None
