"""Connections to addresses that callers name: resolved once, checked, and made to exactly what was checked.

No proxy, no redirect by itself, and an end to the whole exchange at its deadline however slowly the other side drips.
Everything here blocks: it is for threads.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

from shared.domain.addresses import refusal
from shared.domain.errors import DropsightError

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_PLAIN = re.compile(r"[^\x00-\x20\x7f\\]+")


class AddressRefused(DropsightError):
    """The URL is malformed, or leads to an address that may not be connected to."""


class NoAnswer(DropsightError):
    """The other side could not be reached, broke off or was too slow."""


class Target(NamedTuple):
    """A URL taken apart."""

    secure: bool
    host: str
    port: int
    path: str
    """With its query."""

    @property
    def host_header(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == (443 if self.secure else 80) else f"{shown}:{self.port}"


def target_of(url: str, *, schemes: tuple[str, ...] = ("https", "http")) -> Target:
    """Raises `AddressRefused` where the URL is none of these schemes or carries what no such URL should."""
    if _PLAIN.fullmatch(url) is None:
        raise AddressRefused("the URL holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        name = host if ":" in host else host.rstrip(".").encode("idna").decode()
    except ValueError as error:
        raise AddressRefused(f"the URL cannot be read: {error}") from error
    if parts.scheme not in schemes:
        raise AddressRefused(f"the URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("the URL must not carry a user name or a password")
    if not name or port == 0:
        raise AddressRefused("the URL names no host")
    secure = parts.scheme == "https"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    return Target(secure, name, port or (443 if secure else 80), path + query)


def refusal_of(url: str, *, schemes: tuple[str, ...] = ("https", "http"), allow_loopback: bool = False) -> str | None:
    """What is wrong with a URL before any name is looked up: told at once to who sends it."""
    try:
        target = target_of(url, schemes=(*schemes, "http") if allow_loopback else schemes)
    except AddressRefused as refused:
        return str(refused)
    try:
        # Every spelling of an address that a resolver would take: decimal, octal, hexadecimal, shortened.
        address = socket.inet_ntoa(socket.inet_aton(target.host)) if ":" not in target.host else target.host
    except OSError:
        return _inside_by_name(target.host, allow_loopback)
    what = refusal(address, allow_loopback=allow_loopback)
    return f"the address {target.host} is {what}" if what else None


class Exchange:
    """`with Exchange(…) as exchange:` one request and its answer, ended by force after `seconds`."""

    def __init__(self, target: Target, *, seconds: float, allow_loopback: bool = False) -> None:
        self._target, self._allow_loopback = target, allow_loopback
        self._seconds = seconds
        kind = _Https if target.secure else _Http
        self._connection = kind(target, allow_loopback)
        self._watchdog = threading.Timer(seconds, self._cut)
        self._watchdog.daemon = True
        self._answer: http.client.HTTPResponse | None = None
        self.late = False

    def request(self, method: str, headers: dict[str, str], body: bytes | None = None) -> http.client.HTTPResponse:
        self._watchdog.start()
        named = {"Host": self._target.host_header, "User-Agent": "Dropsight", "Accept-Encoding": "identity", **headers}
        try:
            self._connection.request(method, self._target.path, body, named)
            self._answer = self._connection.getresponse()
        except AddressRefused:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise self.broken(error) from error
        return self._answer

    def broken(self, error: Exception) -> NoAnswer:
        if self.late:
            return NoAnswer(f"{self._target.host} did not answer within {self._seconds:.0f} s")
        said = {socket.gaierror: "its name cannot be resolved", ssl.SSLError: "the TLS handshake failed"}
        why = next((text for kind, text in said.items() if isinstance(error, kind)), type(error).__name__)
        return NoAnswer(f"{self._target.host} cannot be reached: {why}")

    def close(self) -> None:
        self._watchdog.cancel()
        if self._answer is not None:
            # Once the server means to close, the connection belongs to the answer.
            self._answer.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut(self) -> None:
        self.late = True
        if (open_socket := self._connection.raw) is not None:
            try:
                open_socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


class _Http(http.client.HTTPConnection):
    raw: socket.socket | None = None

    def __init__(self, target: Target, allow_loopback: bool) -> None:
        super().__init__(target.host, target.port, timeout=_CONNECT_SECONDS)
        self._allow_loopback = allow_loopback

    def connect(self) -> None:
        self.raw = self.sock = _connected(self.host, self.port, self._allow_loopback)


class _Https(http.client.HTTPSConnection):
    raw: socket.socket | None = None

    def __init__(self, target: Target, allow_loopback: bool) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(target.host, target.port, timeout=_CONNECT_SECONDS, context=self._tls)
        self._allow_loopback = allow_loopback

    def connect(self) -> None:
        self.raw = _connected(self.host, self.port, self._allow_loopback)
        self.raw = self.sock = self._tls.wrap_socket(self.raw, server_hostname=self.host)


def _connected(host: str, port: int, allow_loopback: bool) -> socket.socket:
    """A connection to an address that was checked, for a name of which every address passes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        _check(host, str(place[0]), allow_loopback)
    failed: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(place)
            _check(host, str(connection.getpeername()[0]), allow_loopback)
        except OSError as error:
            connection.close()
            failed = error
            continue
        except AddressRefused:
            connection.close()
            raise
        connection.settimeout(_IDLE_SECONDS)
        return connection
    raise failed or OSError("no address")


def _check(host: str, address: str, allow_loopback: bool) -> None:
    if what := refusal(address, allow_loopback=allow_loopback):
        raise AddressRefused(f"{host} leads to {address}, which is {what}")


def _inside_by_name(host: str, allow_loopback: bool) -> str | None:
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return None if allow_loopback else f"{host} is this machine itself"
    if name.endswith((".internal", ".local")) or "." not in name.strip("."):
        return f"{host} is no public name"
    return None
