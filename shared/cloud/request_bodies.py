"""Write the bodies of aiohttp's requests in pieces, whoever makes the request."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import aiohttp
from aiohttp.payload import Order


class _BytesInPieces(aiohttp.BytesIOPayload):
    def __init__(self, value: bytes, *args: Any, **kwargs: Any) -> None:
        super().__init__(io.BytesIO(value), *args, **kwargs)


@cache
def write_bodies_in_pieces() -> None:
    """Let aiohttp write `bytes` as it does a `BytesIO`, once a process.

    It writes bytes in one go, which holds up the event loop, and warns if they are more than 1 MiB. The google-genai
    client passes bytes.
    """
    aiohttp.payload_type(bytes, order=Order.try_first)(_BytesInPieces)
