"""Parse JSON request bodies into pydantic models, and render JSON responses."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import ValidationError
from starlette.responses import Response

from functions.api.error_answers import body_not_json
from shared.domain.errors import FieldRefused
from shared.domain.request.messages import StrictModel

_Body = TypeVar("_Body", bound=StrictModel)


def read_json_body(model: type[_Body], body: bytes) -> _Body:
    """Return the body as `model`. Raises `RequestRefused` if it is not JSON, `FieldRefused` if a field is wrong."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise body_not_json() from error
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise FieldRefused(field, f"{field}: {first['msg']}") from error


def encode_json(value: object) -> bytes:
    """Return compact JSON in UTF-8; lone surrogates become backslash escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def render_json(value: object, cache_control: str = "private, no-cache", status: int = 200) -> Response:
    headers = {"Cache-Control": cache_control}
    return Response(encode_json(value), status, headers, media_type="application/json")
