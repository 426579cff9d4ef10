"""Build the public HTTP API as one FastAPI application: routes, error handlers and middleware."""

from __future__ import annotations

from functools import cache, partial

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from functions.api.error_answers import refusal_of_parameters, refusal_of_status, render_refusal, unavailable
from functions.api.middleware import RequestMiddleware
from functions.api.openai_errors import OPENAI_PATHS, as_openai
from functions.api.openapi import docs_page, openapi_document
from functions.api.openapi_shapes import errors, json_response
from functions.api.request_state import request_state
from functions.api.routes import (
    cancel_and_rerun,
    chat,
    files,
    keys,
    mcp,
    models,
    open_webui,
    page,
    session,
    source_pages,
    status_and_pause,
    stream,
    submit,
    task_files,
    tasks,
    transcriptions,
    uploads,
    usage,
)
from functions.api.unsupported_paths import find_advice
from shared import wiring
from shared.domain.errors import RequestRefused, TaskFailure

_EXPOSED_HEADERS = (
    "ETag", "Idempotent-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id",
    "x-dropsight-ignored", "x-dropsight-task",
)  # fmt: skip

_ALLOWED_HEADERS = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID",
    "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name",
)  # fmt: skip

_DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_public = APIRouter()


@_public.get("/health", operation_id="health", responses={200: json_response("Health", {"status": "ok"}), **errors()})
async def health() -> Response:
    """Report that this instance is up. Calls no other service."""
    return Response(b'{"status":"ok"}', media_type="application/json", headers={"Cache-Control": "no-store"})


@cache
def app() -> FastAPI:
    """Return the application, built on the first request, when the settings are read."""
    application = FastAPI(
        title="Dropsight",
        version="1.0.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(wiring.api().settings.cors_origins),
    )
    own = (submit, tasks, stream, cancel_and_rerun, models, usage, status_and_pause)
    of_other_protocols = (chat, transcriptions, files, mcp, open_webui)
    of_the_page = (session, task_files, source_pages, uploads, keys, page)
    for router in (_public, *(module.router for module in (*own, *of_other_protocols, *of_the_page))):
        application.include_router(router)
    application.openapi = partial(openapi_document, application)  # type: ignore[method-assign]

    async def serve_docs() -> Response:
        return Response(
            docs_page(application), media_type="text/html", headers={"Content-Security-Policy": _DOCS_POLICY}
        )

    application.add_api_route("/docs", serve_docs, include_in_schema=False)
    application.add_exception_handler(RequestRefused, _answer_refusal)
    application.add_exception_handler(TaskFailure, _answer_unavailable)
    application.add_exception_handler(RequestValidationError, _answer_invalid_parameters)
    application.add_exception_handler(HTTPException, _answer_http_error)
    return application


def _middleware(origins: tuple[str, ...]) -> list[Middleware]:
    request_middleware = Middleware(RequestMiddleware)
    if not origins:
        return [request_middleware]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=list(_ALLOWED_HEADERS),
        expose_headers=list(_EXPOSED_HEADERS),
        max_age=600,
    )
    return [cors, request_middleware]


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    refused = as_openai(error) if request.url.path.startswith(OPENAI_PATHS) else error
    return render_refusal(refused, request.headers.get("accept", ""), request_state().request_id)


async def _answer_unavailable(request: Request, error: Exception) -> Response:
    """Answer 503 when a service that the API depends on does not answer."""
    return await _answer_refusal(request, unavailable(str(error)))


async def _answer_invalid_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _answer_refusal(request, refusal_of_parameters(error.errors()))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and (advice := find_advice(request.url.path, partial(_is_served, request))) is not None:
        return await _answer_refusal(request, RequestRefused(404, "not_served", advice))
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return await _answer_refusal(request, refusal_of_status(error.status_code, str(error.detail), headers))


def _is_served(request: Request, path: str) -> bool:
    """Return whether a route serves `path`, for any method."""
    scope = {**request.scope, "path": path}
    return any(route.matches(scope)[0] is not Match.NONE for route in request.app.routes)


def _allowed_methods(request: Request) -> list[str]:
    """Return the methods that the path allows. Starlette gives those of the first matching route only, FastAPI none."""
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    routes = request.app.routes
    return [
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    ]
