"""Reading request bodies: JSON as the service's parser takes it, up to a size."""

from __future__ import annotations

import json
import re
from typing import Any

from starlette.requests import Request

from local.standins.gemini.errors import invalid

_STRING = re.compile(r'"(?:\\.|[^"\\])*+(?:"|\Z)|\'(?:\\.|[^\'\\])*+(?:\'|\Z)', re.DOTALL)
"""A string; an unclosed one extends to the end, so that no text is scanned twice."""
_TRAILING_COMMA = re.compile(r",\s*([}\]])")


async def json_body(request: Request, limit: int) -> dict[str, Any]:
    """Read a JSON object; an empty body is an empty object.

    A body over `limit` bytes is read to its end and refused.
    """
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size <= limit:
            pieces.append(piece)
    if size > limit:
        raise invalid(f"Request payload size exceeds the limit: {limit} bytes.")
    return parsed(b"".join(pieces))


def parsed(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise invalid("Invalid JSON payload received. Request is not valid UTF-8.") from error
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise invalid("Invalid JSON payload received. It is nested too deeply.") from error
    except json.JSONDecodeError as error:
        value = _lenient(text, error)
    except ValueError as error:
        raise invalid("Invalid JSON payload received. A number has too many digits.") from error
    if "\\u" in text:
        _check_text(value)
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. The root element must be an object.")
    return value


def _check_text(value: Any) -> None:
    """Raise the 400 for half of a surrogate pair: it is no text, and could not be sent back."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise invalid("Invalid JSON payload received. It holds half of a surrogate pair.") from error


def _lenient(text: str, error: json.JSONDecodeError) -> Any:
    """The service's parser also takes strings in single quotes, as its own documentation sends them."""
    strings: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        quoted = match.group()
        if quoted[0] == "'":
            quoted = json.dumps(quoted[1:-1].replace("\\'", "'"))
        strings.append(quoted)
        return f'"{len(strings) - 1}"'

    bare = _TRAILING_COMMA.sub(r"\1", _STRING.sub(put_aside, text))
    try:
        return json.loads(re.sub(r'"(\d+)"', lambda match: strings[int(match.group(1))], bare))
    except (ValueError, RecursionError):
        where = text[max(0, error.pos - 20) : error.pos + 20]
        raise invalid(f"Invalid JSON payload received. {error.msg} at position {error.pos}.\n{where}") from error
