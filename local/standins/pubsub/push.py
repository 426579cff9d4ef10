"""Deliver messages of a push subscription as Pub/Sub does: wrapped in JSON, with an OIDC token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from local.standins.http1 import ConnectionLost, MalformedAnswer, exchange
from local.standins.pubsub.rules import Pb

Sign = Callable[[str, str], str]
"""An ID token for a service account's email and an audience."""

_ACKNOWLEDGING = (102, 200, 201, 202, 204)


def wrapped(message: Pb, subscription: str) -> bytes:
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
    return json.dumps({"message": inner, "subscription": subscription}).encode()


async def push(message: Pb, settings: Pb, sign: Sign) -> bool:
    """Send one message. Return whether the endpoint's answer acknowledges it."""
    config = settings.push_config
    body = wrapped(message, settings.name)
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
    except (OSError, ConnectionLost, MalformedAnswer):
        return False
    return answer.status in _ACKNOWLEDGING
