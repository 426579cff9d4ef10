"""Deliver callbacks: one POST to an address named by a caller, with the same checks as a fetch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.cloud.exchange import HostBusy, Outbound
from shared.cloud.identity import Identity, NoToken
from shared.cloud.outbound import AddressRefused, NoAnswer, Target, target_of, token_for
from shared.domain.request.google_receivers import NoGoogleReceiver

ATTEMPT_SECONDS = 10.0
_PATIENCE_SECONDS = 2.0
"""Seconds an attempt waits for a place of its host; meanwhile it occupies a place of the queue."""

Kind = Literal["delivered", "refused", "disabled", "later", "unreachable", "put_off"]


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended. After `later` (answered) and `unreachable` (not answered), another attempt may succeed.

    `put_off`: nothing was sent, since earlier requests to the same host are still waiting for their answers, or since
    the metadata server gave no token.
    """

    kind: Kind
    status: int | None = None
    error: str | None = None


def kind_of_status(status: int) -> Kind:
    """Return what the receiver's status means for further attempts."""
    if 200 <= status < 300:
        return "delivered"
    if status == 410:
        return "disabled"
    if status in (408, 425, 429) or status >= 500:
        return "later"
    return "refused"


class Callbacks:
    def __init__(self, *, per_host: int, identity: Identity, allow_loopback: bool = False) -> None:
        self._outbound = Outbound(per_host=per_host, allow_loopback=allow_loopback)
        self._identity = identity

    async def deliver(
        self, url: str, headers: dict[str, str], body: bytes, *, auth: Literal["google"] | None = None
    ) -> Attempt:
        """POST the body within `ATTEMPT_SECONDS` in all. Only the response's status is read, not its body.

        With `auth`, the request carries a token of this function's account, which goes to no other address: a
        redirect is an answer like any other.
        """
        schemes = ("https", "http") if self._outbound.allow_loopback else ("https",)
        try:
            target = target_of(url, schemes=schemes)
            exchange = await self._outbound.begin(
                "POST",
                target,
                {"Content-Type": "application/json", **headers, **await self._authorization(target, auth)},
                seconds=ATTEMPT_SECONDS,
                patience=_PATIENCE_SECONDS,
                body=body,
            )
        except (AddressRefused, NoGoogleReceiver) as refused:
            return Attempt("refused", error=str(refused))
        except (HostBusy, NoToken) as not_sent:
            return Attempt("put_off", error=str(not_sent))
        except NoAnswer as error:
            return Attempt("unreachable", error=str(error))
        status = exchange.status
        exchange.close()
        kind = kind_of_status(status)
        return Attempt(kind, status, None if kind == "delivered" else f"it answered {status}")

    async def _authorization(self, target: Target, auth: Literal["google"] | None) -> dict[str, str]:
        if auth is None:
            return {}
        token = await self._identity.token(token_for(target, allow_loopback=self._outbound.allow_loopback))
        return {"Authorization": f"Bearer {token}"}
