"""A request as handlers see it: path parameters, query, preconditions, JSON body; and its JSON response."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from local.standins.ledger import Ledger
from local.standins.storage.body_shapes import Shape, check_shape, is_number
from local.standins.storage.conditions import Preconditions
from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.fields import select_fields

Json = dict[str, Any]

_JSON_BODY_LIMIT = 4 << 20
_TYPE = {"content-type": "application/json; charset=UTF-8"}


@dataclass
class ApiRequest:
    http: Request
    ledger: Ledger
    parts: Mapping[str, str] = field(default_factory=dict)
    """The percent-decoded path parameters: `bucket`, `object`, …"""

    @property
    def query(self) -> Mapping[str, str]:
        return self.http.query_params

    @cached_property
    def base(self) -> str:
        """The URL at which the caller reached the stand-in, such as `http://127.0.0.1:8081`; links in answers start
        with it.
        """
        return f"http://{self.http.headers.get('host') or '127.0.0.1'}"

    @property
    def full(self) -> bool:
        """Whether the answer includes ACL and owner (`projection=full`)."""
        projection = self.query.get("projection", "noAcl")
        if projection not in ("full", "noAcl"):
            raise invalid(f"Invalid projection: {projection}")
        return projection == "full"

    def flag(self, name: str) -> bool:
        value = self.query.get(name, "false").lower()
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean value for {name}: {value}")
        return value == "true"

    def number(self, name: str) -> int | None:
        return _number(name, self.query.get(name))

    def header_number(self, name: str) -> int | None:
        return _number(name, self.http.headers.get(name))

    @property
    def generation(self) -> int | None:
        return self.number("generation")

    def page_size(self, limit: int = 1000) -> int:
        size = self.number("maxResults")
        if size is not None and size < 0:
            raise invalid("Invalid value for maxResults: it must not be negative.")
        return min(size or limit, limit)

    @cached_property
    def preconditions(self) -> Preconditions:
        headers = self.http.headers
        return Preconditions(
            self.number("ifGenerationMatch"),
            self.number("ifGenerationNotMatch"),
            self.number("ifMetagenerationMatch"),
            self.number("ifMetagenerationNotMatch"),
            _etags(headers.get("if-match")),
            _etags(headers.get("if-none-match")),
        )

    @cached_property
    def source_preconditions(self) -> Preconditions:
        return Preconditions(
            self.number("ifSourceGenerationMatch"),
            self.number("ifSourceGenerationNotMatch"),
            self.number("ifSourceMetagenerationMatch"),
            self.number("ifSourceMetagenerationNotMatch"),
        )

    async def body(self) -> bytes:
        data = bytearray()
        async for chunk in self.http.stream():
            data += chunk
            if len(data) > _JSON_BODY_LIMIT:
                raise ApiError(413, "Request entity too large.")
        return bytes(data)

    async def json(self, shape: Shape = dict) -> Json:
        """Return the JSON object in the body; an empty body is an empty object. Raises ApiError for anything else."""
        value = parse_json(await self.body())
        check_shape(value, shape)
        return value

    def json_response(self, resource: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """Return a response with `resource` as JSON, reduced to the query's `fields`."""
        fields = self.query.get("fields")
        selected = select_fields(resource, fields) if fields else resource
        tag = {"etag": resource["etag"]} if isinstance(resource.get("etag"), str) else {}
        return Response(json.dumps(selected, indent=2), status, {**_TYPE, **tag, **(headers or {})})


def _number(name: str, value: str | None) -> int | None:
    """Return a 64-bit number, or None for an empty text. Raises ApiError."""
    if not value:
        return None
    if not is_number(value):
        raise invalid(f"Invalid value for {name}: {value[:40]!r} is not a number of 64 bits.")
    return int(value)


def parse_json(data: bytes) -> Json:
    if not data.strip():
        return {}
    try:
        value = json.loads(data)
        if b"\\u" in data:
            # Half of a surrogate pair is no text: it could be neither kept nor sent.
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        raise ApiError(400, "Parse Error", "parseError") from None
    if not isinstance(value, dict):
        raise ApiError(400, "Parse Error: a JSON object is expected.", "parseError")
    return value


def _etags(header: str | None) -> frozenset[str] | None:
    if header is None:
        return None
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))


async def discard_body(request: Request) -> None:
    """Read what is left of a request: a caller still busy sending would not see the answer if the connection closed."""
    with contextlib.suppress(ClientDisconnect, RuntimeError):
        async for _ in request.stream():
            pass
