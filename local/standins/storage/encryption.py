"""Customer-supplied encryption keys: contents are stored unencrypted, but readable only with the key."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import replace

from starlette.datastructures import Headers

from local.standins.storage.errors import ApiError
from local.standins.storage.records import Json, ObjectVersion

_CHECKSUMS = ("crc32c", "md5Hash")
OWN = "x-goog-encryption-"
OF_SOURCE = "x-goog-copy-source-encryption-"


def customer_key(headers: Headers, prefix: str = OWN) -> Json:
    """Return `{"customerEncryption": {…}}` if the request carries a key, else `{}`. The key itself is not stored."""
    if f"{prefix}key" not in headers:
        return {}
    if headers.get(f"{prefix}algorithm") != "AES256":
        raise ApiError(400, "Missing or unknown encryption algorithm.", "customerEncryptionAlgorithmIsInvalid")
    try:
        key = base64.b64decode(headers[f"{prefix}key"], validate=True)
        stated = base64.b64decode(headers.get(f"{prefix}key-sha256", ""), validate=True)
    except binascii.Error:
        raise ApiError(400, "The encryption key is not base64.", "customerEncryptionKeyFormatIsInvalid") from None
    digest = hashlib.sha256(key).digest()
    if len(key) != 32:
        raise ApiError(400, "The encryption key is not 256 bits long.", "customerEncryptionKeyFormatIsInvalid")
    if stated != digest:
        raise ApiError(400, "The key's SHA-256 does not match it.", "customerEncryptionKeySha256IsInvalid")
    encryption = {"encryptionAlgorithm": "AES256", "keySha256": base64.b64encode(digest).decode()}
    return {"customerEncryption": encryption}


def with_visible_checksums(version: ObjectVersion, headers: Headers) -> ObjectVersion:
    """Return the version without its checksums, unless it is unencrypted or the request carries its key."""
    if version.state.get("customerEncryption") is None:
        return version
    if customer_key(headers):
        check_key(version, headers)
        return version
    return replace(version, state={name: value for name, value in version.state.items() if name not in _CHECKSUMS})


def check_key(version: ObjectVersion, headers: Headers, prefix: str = OWN) -> None:
    """Raise ApiError unless the request carries the key that the object was written with."""
    provided = customer_key(headers, prefix).get("customerEncryption")
    stored = version.state.get("customerEncryption")
    if stored is None and provided is not None:
        raise ApiError(
            400,
            "The target object is not encrypted by a customer-supplied encryption key.",
            "resourceNotEncryptedWithCustomerEncryptionKey",
        )
    if stored is not None and provided is None:
        raise ApiError(
            400,
            "The target object is encrypted by a customer-supplied encryption key.",
            "resourceIsEncryptedWithCustomerEncryptionKey",
        )
    if stored != provided:
        raise ApiError(403, "The provided encryption key is incorrect.", "customerEncryptionKeyIsIncorrect")
