"""/v1/session: what a key may do, and a cookie that lets the browser's own requests read files.

The page keeps its key in sessionStorage and sends it in the Authorization header, like every client. Cookies cannot
create or change anything, so there is nothing to forge across sites (CSRF). Media players, images and downloads cannot
send that header. For them the key is also set as a cookie: HttpOnly, limited to the paths of tasks, SameSite=Strict,
and accepted only by the routes that serve files.
"""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import COOKIE, Reader
from functions.api.json_body import render_json
from functions.api.openapi_shapes import errors, json_response
from shared import wiring
from shared.domain.answer.response import Json
from shared.domain.models.catalogue import catalogue
from shared.domain.tasks.access import Key

router = APIRouter()

_PATH = "/v1/tasks/"


_RESPONSES = {200: json_response("SessionShown"), **errors(401, 403, 429)}


@router.get("/v1/session", operation_id="session", responses=_RESPONSES)
async def session(key: Reader) -> Response:
    """What the key may do: its scopes, its sources, the inboxes it may upload to, and the built-in recipes."""
    return _describe(key)


@router.post("/v1/session", operation_id="open_session", responses=_RESPONSES)
async def open_session(key: Reader, request: Request) -> Response:
    """Set the cookie with which a browser reads the files of tasks that the key may see, until it is closed."""
    response = _describe(key)
    secret = request.headers["authorization"].partition(" ")[2].strip()
    is_https = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    response.set_cookie(COOKIE, secret, path=_PATH, httponly=True, samesite="strict", secure=is_https)
    return response


@router.delete("/v1/session", operation_id="close_session", responses=_RESPONSES)
async def close_session(key: Reader) -> Response:
    """Delete the cookie."""
    response = _describe(key)
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, samesite="strict")
    return response


def _describe(key: Key) -> Response:
    body: Json = {
        "object": "session",
        "key": {"id": key.id, "name": key.name, "scopes": list(key.scopes), "sources": list(key.sources)},
        "inboxes": cast(JsonValue, _inboxes_of(key)),
        "model": catalogue().default,
        "recipes": cast(JsonValue, _recipes()),
    }
    return render_json(body, "private, no-store")


def _inboxes_of(key: Key) -> list[Json]:
    """Return the inbox prefixes under which the key may upload: those in both the inbox's prefixes and its sources."""
    places: list[Json] = []
    for bucket, inbox in wiring.api().settings.inboxes.items():
        for source in key.sources:
            for prefix in inbox.prefixes:
                allowed = f"gs://{bucket}/{prefix}"
                narrower = source if source.startswith(allowed) else allowed if allowed.startswith(source) else None
                if narrower is not None:
                    places.append({"inbox": bucket, "prefix": narrower.removeprefix(f"gs://{bucket}/")})
    return places


def _recipes() -> list[Json]:
    from shared.domain.recipe.book import BUILT_IN

    return [
        {
            "name": recipe.name,
            "takes": list(recipe.takes),
            "needs": list(recipe.needs),
            "outputs": list(recipe.outputs),
            "model": recipe.model,
            "prompt": " ".join(recipe.prompt.split()),
            "structured": recipe.response_schema is not None or "schema" in recipe.needs,
            "transcript": recipe.transcript,
            "default_for": list(recipe.rule.family) if recipe.rule is not None and recipe.rule.family else [],
        }
        for recipe in BUILT_IN
    ]
