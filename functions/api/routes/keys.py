"""/v1/keys: an operator lists, makes, rotates and revokes API keys. A secret is shown once, when it is made.

A key cannot create a key with more rights than its own. Nor can it rotate such a key, since it would see the secret.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, cast

from fastapi import APIRouter, Path
from pydantic import Field, JsonValue, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Operator
from functions.api.error_answers import not_found
from functions.api.json_body import read_json_body, render_json
from functions.api.openapi_shapes import errors, json_request_body, json_response
from functions.api.request_bodies import bodies
from shared import wiring
from shared.cloud.keys import new_secret
from shared.cloud.telemetry import log
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.money.calls import as_dollars
from shared.domain.request.messages import StrictModel
from shared.domain.tasks.access import SCOPES, Key, Scope
from shared.domain.tasks.key_rules import excess_of, id_of_name, newest_of_each, state_of

router = APIRouter()

KeyPath = Annotated[str, Path(json_schema_extra={"examples": ["cron-4f0c8b"]})]
_YEAR = 366 * 86_400
_PRIVATE = "private, no-store"


class NewKey(StrictModel):
    """A key to make. What is left out is as the maker's own key has it."""

    name: str = Field(min_length=1, max_length=200)
    """Whose it is, for people."""
    scopes: tuple[Scope, ...] = Field(default=("submit", "read"), min_length=1, max_length=len(SCOPES), strict=False)
    sources: tuple[Annotated[str, StringConstraints(max_length=1_024)], ...] = Field(
        default=(), max_length=29, strict=False
    )
    """gs://bucket/ or gs://bucket/folder/, or manifests:FOLDER: whose tasks it sees, and whose objects it may name."""
    expires_in: int | None = Field(default=None, ge=60, le=10 * _YEAR)
    """Seconds."""
    requests_per_minute: int | None = Field(default=None, ge=1, le=100_000)
    daily_tasks: int | None = Field(default=None, ge=0, le=10_000_000)
    daily_budget: float | None = Field(default=None, ge=0, le=1_000_000)
    """US dollars."""


class Rotation(StrictModel):
    """How to rotate a key."""

    overlap: int = Field(default=86_400, ge=0, le=_YEAR)
    """Seconds for which the old secret goes on."""


@router.get("/v1/keys", operation_id="list_keys", responses={200: json_response("KeyList"), **errors(401, 403, 429)})
async def list_keys(key: Operator) -> Response:
    """All keys, the newest first; never their secrets."""
    deps = wiring.api()
    now = deps.clock.now()
    shown = [_shown(listed, now) for listed in newest_of_each(await deps.keys.listing(), now)]
    return render_json({"object": "list", "data": cast(JsonValue, shown)}, _PRIVATE)


@router.post(
    "/v1/keys",
    operation_id="make_key",
    responses={200: json_response("KeyMade"), **errors(400, 401, 403, 408, 415, 422, 429)},
    openapi_extra=json_request_body("NewKey", {"name": "cron", "sources": ["gs://inbox/reports/"], "daily_budget": 20}),
)
async def make_key(request: Request, key: Operator) -> Response:
    """Make a key. Its secret is in this answer, and nowhere else."""
    deps = wiring.api()
    async with bodies().body_of(request, key) as body:
        wanted = read_json_body(NewKey, body)
    now = deps.clock.now()
    made = _key_of(wanted, key, now)
    _refuse_excess(made, key)
    secret = new_secret()
    await deps.keys.store(secret, made)
    log("WARNING", "key_made", f"{key.owner} made the key {made.id}", owner=made.owner)
    return render_json(_shown(made, now) | {"secret": secret}, _PRIVATE)


@router.post(
    "/v1/keys/{key_id}/rotate",
    operation_id="rotate_key",
    responses={200: json_response("KeyMade"), **errors(400, 401, 403, 404, 408, 415, 422, 429)},
    openapi_extra=json_request_body("Rotation", {"overlap": 3600}),
)
async def rotate_key(key_id: KeyPath, request: Request, key: Operator) -> Response:
    """Make a new secret for a key, shown only here; the old one goes on for `overlap` seconds, a day by default."""
    deps = wiring.api()
    async with bodies().body_of(request, key) as body:
        rotation = read_json_body(Rotation, body or b"{}")
    now = deps.clock.now()
    current = await _find(key_id)
    if state_of(current, now) != "active":
        raise not_found(f"The key {key_id} is {state_of(current, now)}: make a new one.")
    _refuse_excess(current, key)
    secret = await deps.keys.rotate(current, now, old_ones_until=now + timedelta(seconds=rotation.overlap))
    log("WARNING", "key_rotated", f"{key.owner} rotated the key {key_id}", owner=current.owner)
    return render_json(_shown(current.model_copy(update={"created_at": now}), now) | {"secret": secret}, _PRIVATE)


@router.post(
    "/v1/keys/{key_id}/revoke",
    operation_id="revoke_key",
    responses={200: json_response("KeyListed"), **errors(401, 403, 404, 429)},
)
async def revoke_key(key_id: KeyPath, key: Operator) -> Response:
    """End a key with all its secrets, within half a minute everywhere."""
    deps = wiring.api()
    current = await _find(key_id)
    await deps.keys.revoke(key_id)
    log("WARNING", "key_revoked", f"{key.owner} revoked the key {key_id}", owner=current.owner)
    return render_json(_shown(current.model_copy(update={"revoked": True}), deps.clock.now()), _PRIVATE)


def _key_of(wanted: NewKey, maker: Key, now: datetime) -> Key:
    """Return the key to make: with the maker's own limits where none are given."""
    budget = maker.daily_budget if wanted.daily_budget is None else Decimal(str(wanted.daily_budget))
    expires_at = maker.expires_at if wanted.expires_in is None else now + timedelta(seconds=wanted.expires_in)
    try:
        return Key(
            id=id_of_name(wanted.name, secrets.token_hex(3)),
            name=wanted.name,
            scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
            sources=tuple(dict.fromkeys(wanted.sources)),
            created_at=now,
            expires_at=expires_at,
            requests_per_minute=wanted.requests_per_minute or maker.requests_per_minute,
            daily_tasks=maker.daily_tasks if wanted.daily_tasks is None else wanted.daily_tasks,
            daily_budget=budget,
        )
    except ValidationError as error:
        flaw = error.errors(include_url=False)[0]
        field = str(flaw["loc"][0])
        raise FieldRefused(field, f"{field}: {flaw['msg'].removeprefix('Value error, ')}") from error


def _refuse_excess(key: Key, maker: Key) -> None:
    if (excess := excess_of(key, maker)) is not None:
        field, sentence = excess
        raise RequestRefused(403, "scope_missing", f"{field}: {sentence}", param=field)


async def _find(key_id: str) -> Key:
    deps = wiring.api()
    now = deps.clock.now()
    keys = newest_of_each([key for key in await deps.keys.listing() if key.id == key_id], now)
    if not keys:
        raise not_found(f"There is no key {key_id[:64]!r}.")
    return keys[0]


def _shown(key: Key, now: datetime) -> Json:
    return {
        "object": "key",
        "id": key.id,
        "name": key.name,
        "state": state_of(key, now),
        "scopes": list(key.scopes),
        "sources": list(key.sources),
        "created": int(key.created_at.timestamp()),
        "expires_at": None if key.expires_at is None else int(key.expires_at.timestamp()),
        "requests_per_minute": key.requests_per_minute,
        "daily_tasks": key.daily_tasks,
        "daily_budget": None if key.daily_budget is None else as_dollars(key.daily_budget),
    }
