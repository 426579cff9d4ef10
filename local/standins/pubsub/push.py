"""Deliver messages of a push subscription as Pub/Sub does: wrapped in JSON, with an OIDC token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import urlsplit

from local.standins.http1 import ConnectionLost, HttpConnection, MalformedAnswer
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
    headers = {"Host": urlsplit(config.push_endpoint).netloc, "Content-Type": "application/json"}
    headers |= {"User-Agent": "CloudPubSub-Google", "Content-Length": str(len(body))}
    if config.HasField("oidc_token"):
        audience = config.oidc_token.audience or config.push_endpoint
        headers["Authorization"] = f"Bearer {sign(config.oidc_token.service_account_email, audience)}"
    url = urlsplit(config.push_endpoint)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    try:
        connection = await HttpConnection.to(config.push_endpoint)
        try:
            encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            await connection.send_head("POST", target, encoded)
            await connection.send_body(body)
            await connection.end_body()
            answer = await connection.answer()
            async for _ in connection.chunks():
                pass
        finally:
            connection.close()
    except (OSError, ConnectionLost, MalformedAnswer):
        return False
    return answer.status in _ACKNOWLEDGING
