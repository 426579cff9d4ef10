"""Deliver messages of a push subscription as Pub/Sub does: wrapped in JSON, with an OIDC token."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable

from local.standins.http1 import ConnectionLost, MalformedAnswer, exchange
from local.standins.pubsub.rules import Pb
from local.standins.pubsub.subscription import Leased, Subscription

Sign = Callable[[str, str], str]
"""An ID token for a service account's email and an audience."""

_ACKNOWLEDGING = (102, 200, 201, 202, 204)
_POLL_SECONDS = 0.05
_MAX_AT_ONCE = 100
_MARGIN_SECONDS = 1
"""How much longer than its request a message is leased, so that it is not sent again while the request ends."""


class PushDelivery:
    """Sends a subscription's messages to its endpoint from now on, several at once, but one of an ordering key."""

    def __init__(self, subscription: Subscription, forward_dead_letters: Callable[[], None], sign: Sign) -> None:
        self._subscription, self._forward_dead_letters, self._sign = subscription, forward_dead_letters, sign
        self._sending: dict[asyncio.Task[None], str] = {}
        """The ack ids of what is being sent."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End what is being sent, and give it back."""
        tasks = (self._running, *self._sending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._subscription.modify_deadline(list(self._sending.values()), 0)

    async def _run(self) -> None:
        while True:
            self._forward_dead_letters()
            seconds = self._subscription.settings.ack_deadline_seconds + _MARGIN_SECONDS
            for leased in self._subscription.lease(_MAX_AT_ONCE - len(self._sending), seconds, one_of_a_key=True):
                self._sending[asyncio.create_task(self._send(leased))] = leased.ack_id
            await asyncio.sleep(_POLL_SECONDS)
            self._sending = {task: ack_id for task, ack_id in self._sending.items() if not task.done()}

    async def _send(self, leased: Leased) -> None:
        # A request that takes longer than the deadline for acknowledgements has failed, as in the service.
        settings, accepted = self._subscription.settings, False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.ack_deadline_seconds):
                accepted = await push(leased, settings, self._sign)
        if accepted:
            self._subscription.acknowledge([leased.ack_id])
        else:
            self._subscription.modify_deadline([leased.ack_id], 0)


def wrapped(leased: Leased, settings: Pb) -> bytes:
    message = leased.message
    published = message.publish_time.ToJsonString()
    inner: dict[str, object] = {
        "data": base64.b64encode(message.data).decode(),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.attributes:
        inner["attributes"] = dict(message.attributes)
    if message.ordering_key:
        inner["orderingKey"] = message.ordering_key
    outer: dict[str, object] = {"message": inner, "subscription": settings.name}
    if settings.HasField("dead_letter_policy"):
        outer["deliveryAttempt"] = leased.attempt
    return json.dumps(outer).encode()


async def push(leased: Leased, settings: Pb, sign: Sign) -> bool:
    """Send one message. Return whether the endpoint's answer acknowledges it."""
    config = settings.push_config
    body = wrapped(leased, settings)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "CloudPubSub-Google",
        "Content-Length": str(len(body)),
    }
    if config.HasField("oidc_token"):
        audience = config.oidc_token.audience or config.push_endpoint
        headers["Authorization"] = f"Bearer {sign(config.oidc_token.service_account_email, audience)}"
    try:
        answer = await exchange("POST", config.push_endpoint, headers, body)
    except (OSError, ValueError, ConnectionLost, MalformedAnswer):
        # ValueError: the host is no name that can be looked up.
        return False
    return answer.status in _ACKNOWLEDGING
