"""Read a JSON body into its model, and name the field that is wrong."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from functions.api.error_answers import body_not_json
from shared.domain.errors import FieldRefused
from shared.domain.request.messages import StrictModel

_Body = TypeVar("_Body", bound=StrictModel)


def read_json_body(model: type[_Body], body: bytes) -> _Body:
    """Return the body as `model`. Raises `RequestRefused` for what is not JSON, `FieldRefused` for a wrong field."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise body_not_json() from error
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise FieldRefused(field, f"{field}: {first['msg']}") from error
