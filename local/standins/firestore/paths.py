"""What resource names and field paths mean, and which of them Firestore accepts.

A resource name is `projects/P/databases/D/documents/a/b/c/d`; what follows `documents/` is a *path* here. A field path
is a tuple of names; on the wire its names are joined by dots, and quoted with backticks unless plain.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache

from local.standins.firestore.wire import invalid

FieldPath = tuple[str, ...]
NAME: FieldPath = ("__name__",)
"""The field that every document has: its own name."""

_DATABASE = re.compile(r"projects/[^/]+/databases/[^/]+")
_NAME = re.compile(r"(projects/[^/]+/databases/[^/]+)/documents(?:/(.*))?", re.DOTALL)
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)|`((?:[^`\\]|\\.)+)`", re.DOTALL)
_ID_BYTES = 1500
_NAME_BYTES = 6 * 1024
_DEPTH = 100


def check_database(name: str) -> str:
    if not _DATABASE.fullmatch(name):
        raise invalid(f'Invalid database name "{name}": it must be projects/{{project}}/databases/{{database}}.')
    return name


def split(name: str) -> tuple[str, str]:
    """Split the resource name of a document, a collection or the root (`…/documents`) into database name and path."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f'Document name "{name}" is not of the form projects/P/databases/D/documents/….')
    return match[1], match[2] or ""


@lru_cache(maxsize=65536)
def document_path(name: str, database: str) -> str:
    """Return the path of a document's resource name. Raises Refusal unless it lies in `database`."""
    owner, path = split(name)
    if owner != database:
        raise invalid(f'The document "{name}" lies in another database than "{database}".')
    parts = path.split("/")
    if not path or len(parts) % 2:
        raise invalid(f'Document name "{name}" has invalid number of segments.')
    _check_parts(name, parts)
    return path


def parent_path(name: str) -> tuple[str, str]:
    """Database and path of the parent of collections: the root (empty path) or a document."""
    database, path = split(name)
    if path:
        document_path(name, database)
    return database, path


def check_collection_id(collection: str) -> str:
    if "/" in collection:
        raise invalid(f'Collection id "{collection}" must not contain "/".')
    _check_parts(collection, [collection])
    return collection


def _check_parts(name: str, parts: list[str]) -> None:
    if len(parts) > _DEPTH * 2:
        raise invalid(f'The name "{name[:200]}" is nested deeper than {_DEPTH} collections.')
    for part in parts:
        if not part or part in (".", ".."):
            raise invalid(f'Resource id "{part}" is invalid in "{name[:200]}".')
        if _RESERVED.fullmatch(part) and not _NUMERIC_ID.fullmatch(part):
            raise invalid(f'Resource id "{part}" is invalid because it is reserved.')
        if len(part) * 4 > _ID_BYTES and len(part.encode()) > _ID_BYTES:
            raise invalid(f"The resource id is longer than {_ID_BYTES} bytes.")
    if len(name) * 4 > _NAME_BYTES and len(name.encode()) > _NAME_BYTES:
        raise invalid(f"The name is longer than {_NAME_BYTES} bytes.")


def order_key(path: str) -> bytes:
    """Return bytes that sort as names do: part by part, numeric ids (`__id7__`) by number and before all others."""
    key = b""
    for part in path.split("/") if path else ():
        numeric = part.startswith("__id") and _NUMERIC_ID.fullmatch(part)
        if numeric:
            key += b"\x01" + struct.pack(">Q", int(numeric[1]) + (1 << 63))
        else:
            key += b"\x02" + part.encode().replace(b"\0", b"\0\xff") + b"\0\x01"
    return key + b"\0"


@lru_cache(maxsize=65536)
def parse_field(text: str) -> FieldPath:
    """`` a.b.`c d` `` → `("a", "b", "c d")`."""
    parts, position = [], 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise invalid(
                f'Invalid property path "{text}". Unquoted property names must match regex ({_PLAIN.pattern}), '
                "and quoted property names must match regex (`(?:[^`\\\\]|(?:\\\\.))+`)."
            )
        parts.append(match[1] or re.sub(r"\\(.)", r"\1", match[2], flags=re.DOTALL))
        position = match.end()
        if position == len(text):
            break
        if text[position] != ".":
            raise invalid(f'Invalid property path "{text}".')
        position += 1
    if len(text) * 4 > _ID_BYTES and len(text.encode()) > _ID_BYTES:
        raise invalid(f"A property path is longer than {_ID_BYTES} bytes.")
    return tuple(parts)


@lru_cache(maxsize=65536)
def quote(part: str) -> str:
    if _PLAIN.fullmatch(part):
        return part
    return "`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`"


def format_field(path: FieldPath) -> str:
    return ".".join(map(quote, path))


def check_field_name(name: str) -> None:
    if not name:
        raise invalid("Property name cannot be empty.")
    if name.startswith("__") and _RESERVED.fullmatch(name):
        raise invalid(f'Property name "{name}" is reserved.')
    if len(name) * 4 > _ID_BYTES and len(name.encode()) > _ID_BYTES:
        raise invalid(f"The property name is longer than {_ID_BYTES} bytes.")
