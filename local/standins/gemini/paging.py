"""Lists in pages: `pageSize`, `pageToken`, `nextPageToken`."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.standins.gemini.errors import bad_request, invalid
from local.standins.gemini.wire import snake

_SYSTEM_PARAMETERS = frozenset(
    [
        "key",
        "alt",
        "$alt",
        "prettyPrint",
        "$prettyPrint",
        "fields",
        "$fields",
        "quotaUser",
        "access_token",
        "oauth_token",
        "callback",
        "upload_protocol",
        "uploadType",
        "upload_id",
        "$.xgafv",
        "$httpHeaders",
    ]
)


def check_parameters(request: Request, allowed: frozenset[str] = frozenset()) -> None:
    """Raise the 400 for query parameters other than the service's own and `allowed` (snake_case; both casings pass)."""
    unknown = [name for name in request.query_params if name not in _SYSTEM_PARAMETERS and snake(name) not in allowed]
    if unknown:
        words = (
            "Invalid JSON payload received. Unknown name \"{0}\": Cannot bind query parameter. Field '{0}' could not "
        )
        words += "be found in request message."
        raise bad_request([("", words.format(name)) for name in unknown])


def page(request: Request, field: str, items: list[dict[str, Any]], *, default: int, most: int) -> Response:
    """Answer with the requested page of `items`. A token is the position after the last item of its page."""
    check_parameters(request, frozenset({"page_size", "page_token", "filter"}))
    query = {snake(name): value for name, value in request.query_params.items()}
    size = _size(query.get("page_size", ""), default, most)
    start = _start(query.get("page_token", ""))
    answer: dict[str, Any] = {}
    if chosen := items[start : start + size]:
        answer[field] = chosen
    if start + size < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"from {start + size}".encode()).decode().rstrip("=")
    return JSONResponse(answer)


def _size(text: str, default: int, most: int) -> int:
    try:
        size = int(text or 0)
    except ValueError as error:
        raise invalid(f"Invalid value at 'page_size' (TYPE_INT32), \"{text}\"") from error
    if not 0 <= size <= most:
        raise invalid(f"* page_size: page_size must be in the range [0, {most}], not {size}.")
    return size or default


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        words = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode().split(" ")
        if words[0] == "from":
            return int(words[1])
    except (binascii.Error, UnicodeDecodeError, ValueError, IndexError):
        pass
    raise invalid("* page_token: Invalid page token.")
