"""Decide which addresses named by callers may be connected to: only public unicast addresses, no internal ones.

IPv6 addresses that embed an IPv4 address (mapped, compatible, 6to4, Teredo, NAT64) are all refused.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_ALLOWED_V6 = ipaddress.ip_network("2000::/3")
"""Global unicast addresses; all others are reserved, local, multicast, mapped or translated."""
_REFUSED = {
    ipaddress.ip_network(text): what
    for text, what in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared by a carrier (CGNAT)",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local, where clouds keep their metadata",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "for documentation",
        "192.88.99.0/24": "a 6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "for benchmarks",
        "198.51.100.0/24": "for documentation",
        "203.0.113.0/24": "for documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        "2001::/23": "reserved or Teredo",
        "2001:db8::/32": "for documentation",
        "2002::/16": "6to4",
        "3fff::/20": "for documentation",
    }.items()
}


def refusal(address: str, *, allow_loopback: bool = False) -> str | None:
    """Return why a numeric address is refused, or None. `allow_loopback` is for the local system only."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "not an address"
    if parsed.is_loopback and allow_loopback:
        return None
    for network, what in _REFUSED.items():
        if parsed.version == network.version and parsed in network:
            return what
    if parsed.version == 6 and parsed not in _ALLOWED_V6:
        return "not public"
    return None


def without_secrets(url: str) -> str:
    """Return a URL without user name and query, which often contain secrets, so that it can be shown."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return "a URL that cannot be read"
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"
