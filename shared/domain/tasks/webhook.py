"""Sign callbacks per Standard Webhooks: `v1,<base64 HMAC-SHA256 of "id.timestamp.body">`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_PREFIX = "whsec_"


def signed_headers(secrets: str, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers. `secrets` is `whsec_…`, or several separated by spaces during a rotation."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()
        for secret in secrets.split()
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def key_of(secret: str) -> bytes:
    """Return the key's bytes. Raises `ValueError` if the text is not a secret, without repeating it."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or len(key) < 24:
        raise ValueError("a callback secret is whsec_ and at least 24 bytes in base64")
    return key
