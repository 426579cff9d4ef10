"""Bodies of requests that are bytes are written in pieces, whoever makes the request with aiohttp."""

from __future__ import annotations

import aiohttp
import pytest

from shared.cloud.request_bodies import write_bodies_in_pieces


@pytest.mark.parametrize("size", [0, 1, (1 << 20) + 1, 3 << 20])
async def test_bytes_become_a_body_of_their_size_that_can_be_sent_again(size: int) -> None:
    """Warnings are errors here: aiohttp's own body of bytes warns from 1 MiB on."""
    write_bodies_in_pieces()
    write_bodies_in_pieces()
    payload = aiohttp.get_payload(b"x" * size)
    assert isinstance(payload, aiohttp.BytesIOPayload)
    assert payload.size == size
    assert await payload.as_bytes() == await payload.as_bytes() == b"x" * size
