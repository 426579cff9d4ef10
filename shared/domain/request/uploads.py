"""Name the files that callers upload through the API: objects of the requests bucket, in a folder of each key."""

from __future__ import annotations

UPLOADS_FOLDER = "uploads/"


def uploads_folder(key_id: str) -> str:
    """Return the prefix of the objects that a key has uploaded."""
    return f"{UPLOADS_FOLDER}{key_id}/"


def is_own_upload(bucket: str, name: str, *, requests_bucket: str, owner: str) -> bool:
    """Return whether an object was uploaded by `owner` (`key:ID`): of the requests bucket, only those may be named."""
    kind, _, key_id = owner.partition(":")
    return kind == "key" and bucket == requests_bucket and name.startswith(uploads_folder(key_id))
