"""Parse URLs named by callers, and refuse those that visibly lead to private addresses before any DNS look-up.

`shared.cloud.exchange` makes the requests and checks the addresses that names lead to.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Literal, NamedTuple
from urllib.parse import quote, urlsplit

from shared.domain.errors import DropsightError, FieldRefused
from shared.domain.request.addresses import refusal
from shared.domain.request.google_receivers import AccessToken, IdToken, NoGoogleReceiver, token_of_receiver

_PLAIN = re.compile(r"[^\x00-\x20\x7f\\]+")


class AddressRefused(DropsightError):
    """The URL is malformed or leads to an address that is not public."""


class NoAnswer(DropsightError):
    """The host could not be reached, broke the connection or was too slow."""


class Target(NamedTuple):
    """A parsed URL."""

    secure: bool
    host: str
    """A name in ASCII, or a numeric address in canonical form."""
    port: int
    path: str
    """The path with its query."""

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.host_header}{self.path}"


def target_of(url: str, *, schemes: tuple[str, ...] = ("https", "http")) -> Target:
    """Parse a URL. Raises `AddressRefused` for other schemes, userinfo and malformed parts."""
    if _PLAIN.fullmatch(url) is None:
        raise AddressRefused("the URL holds spaces, backslashes or control characters")
    try:
        parts = urlsplit(url)
        name, port = _ascii_host(parts.hostname or ""), parts.port
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else ""
    except ValueError as error:
        raise AddressRefused(f"the URL cannot be read ({type(error).__name__})") from error
    if parts.scheme not in schemes:
        raise AddressRefused(f"the URL must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("the URL must not carry a user name or a password")
    if not name or port == 0:
        raise AddressRefused("the URL names no host")
    secure = parts.scheme == "https"
    return Target(secure, name, port or (443 if secure else 80), path + query)


def refusal_of(url: str, *, schemes: tuple[str, ...] = ("https", "http"), allow_loopback: bool = False) -> str | None:
    """Return why a URL is refused without a DNS look-up, or None."""
    try:
        target = target_of(url, schemes=(*schemes, "http") if allow_loopback else schemes)
    except AddressRefused as refused:
        return str(refused)
    if not is_numeric(target.host):
        return _inside_by_name(target.host, allow_loopback)
    kind = refusal(target.host, allow_loopback=allow_loopback)
    return f"the address {target.host} is {kind}" if kind else None


def refuse_callback(url: str, auth: Literal["google"] | None, *, allow_loopback: bool = False) -> None:
    """Raise `FieldRefused` for a callback's URL that may not be called, or not with a token of Google's."""
    if why := refusal_of(url, schemes=("https",), allow_loopback=allow_loopback):
        raise FieldRefused("callback_url", f"callback_url: {why}.")
    if auth == "google":
        try:
            token_for(target_of(url), allow_loopback=allow_loopback)
        except NoGoogleReceiver as error:
            raise FieldRefused("callback_auth", f"{error}.") from error


def token_for(target: Target, *, allow_loopback: bool = False) -> IdToken | AccessToken:
    """Return the token that a receiver gets. Raises `NoGoogleReceiver`."""
    return token_of_receiver(
        secure=target.secure,
        host=target.host,
        host_header=target.host_header,
        path=target.path,
        is_this_machine=allow_loopback and _is_this_machine(target.host),
    )


def _is_this_machine(host: str) -> bool:
    if is_numeric(host):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _ascii_host(host: str) -> str:
    if ":" in host:
        return host
    name = host.rstrip(".").encode("idna").decode()
    try:
        # Every spelling of an address that a resolver would take: decimal, octal, hexadecimal, shortened.
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return name


def _inside_by_name(host: str, allow_loopback: bool) -> str | None:
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return None if allow_loopback else f"{host} is this machine itself"
    if name.endswith((".internal", ".local")) or "." not in name.strip("."):
        return f"{host} is no public name"
    return None
