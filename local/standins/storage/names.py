"""Which names Cloud Storage allows for buckets and objects."""

from __future__ import annotations

import re

from local.standins.storage.errors import invalid

_PART = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
_IP = re.compile(r"\d{1,3}(\.\d{1,3}){3}")


def check_bucket_name(name: str) -> None:
    parts = name.split(".")
    longest = 63 if len(parts) == 1 else 222
    fits = 3 <= len(name) <= longest and all(len(part) <= 63 and _PART.fullmatch(part) for part in parts)
    if not fits or _IP.fullmatch(name) or name.startswith("goog") or "google" in name.replace("0", "o"):
        raise invalid(f"Invalid bucket name: '{name}'")


def check_object_name(name: str) -> None:
    """Raise the 400 unless a name has 1 to 1024 bytes of UTF-8, no line break, is neither `.` nor `..`, and does not
    begin with `.well-known/acme-challenge/`.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise invalid("Object names must be valid UTF-8.") from None
    if size == 0:
        raise invalid("Required object name is missing.")
    if size > 1024:
        raise invalid(f"The maximum object length is 1024 characters, but got a name with {size} bytes.")
    if any(character in name for character in "\r\n"):
        raise invalid(f"Disallowed unicode characters present in object name {name!r}")
    if name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name!r}")
