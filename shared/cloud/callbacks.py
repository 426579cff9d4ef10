"""Delivering a callback: one POST to an address that a caller named, under the same guards as a fetch."""

from __future__ import annotations

import asyncio
import http.client
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from shared.cloud.outbound import AddressRefused, Exchange, NoAnswer, target_of

ATTEMPT_SECONDS = 10.0

Kind = Literal["delivered", "refused", "disabled", "later", "unreachable"]


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended. `later` and `unreachable` are worth another: the one was answered, the other was not."""

    kind: Kind
    status: int | None = None
    error: str | None = None


def meaning(status: int) -> Kind:
    """What a receiver's answer says about further attempts."""
    if 200 <= status < 300:
        return "delivered"
    if status == 410:
        return "disabled"
    if status in (408, 425, 429) or status >= 500:
        return "later"
    return "refused"


class Callbacks:
    def __init__(self, *, threads: int, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="callback")

    async def deliver(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        loop = asyncio.get_running_loop()
        try:
            # Looking a name up cannot be cut short: the thread may end later than the attempt.
            async with asyncio.timeout(ATTEMPT_SECONDS + 1):
                return await loop.run_in_executor(self._threads, self._post, url, headers, body)
        except TimeoutError:
            return Attempt("unreachable", error=f"no answer within {ATTEMPT_SECONDS:.0f} s")

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> Attempt:
        schemes = ("https", "http") if self._allow_loopback else ("https",)
        try:
            target = target_of(url, schemes=schemes)
            with Exchange(target, seconds=ATTEMPT_SECONDS, allow_loopback=self._allow_loopback) as exchange:
                answer = exchange.request("POST", {"Content-Type": "application/json", **headers}, body)
                status = answer.status
        except AddressRefused as refused:
            return Attempt("refused", error=str(refused))
        except NoAnswer as error:
            return Attempt("unreachable", error=str(error))
        except (OSError, http.client.HTTPException) as error:
            return Attempt("unreachable", error=type(error).__name__)
        kind = meaning(status)
        return Attempt(kind, status, None if kind == "delivered" else f"it answered {status}")
