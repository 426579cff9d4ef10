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

from functions.api.error_answers import of_status, refusal, refused_parameters
from functions.api.middleware import Surround, visit
from functions.api.openapi import document, page
from functions.api.openapi_shapes import errors, found
from functions.api.routes import cancel_and_rerun, models, stream, submit, tasks
from shared import wiring
from shared.domain.errors import RequestRefused, TaskFailure

_EXPOSED = (
    "ETag", "Idempotent-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id",
)  # fmt: skip

_ONLY_OWN = "default-src 'none'; style-src 'unsafe-inline'"

_open = APIRouter()


@_open.get("/health", operation_id="health", responses={200: found("Health", {"status": "ok"}), **errors()})
async def health() -> Response:
    """Say that this instance answers. Calls no other service."""
    return Response(b'{"status":"ok"}', media_type="application/json", headers={"Cache-Control": "no-store"})


@cache
def app() -> FastAPI:
    """Return the application, built on the first request, when the settings are read."""
    made = FastAPI(
        title="Dropsight",
        version="1.0.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(wiring.api().settings.cors_origins),
    )
    for router in (_open, submit.router, tasks.router, stream.router, cancel_and_rerun.router, models.router):
        made.include_router(router)
    made.openapi = partial(document, made)  # type: ignore[method-assign]

    async def docs() -> Response:
        return Response(page(made), media_type="text/html", headers={"Content-Security-Policy": _ONLY_OWN})

    made.add_api_route("/docs", docs, include_in_schema=False)
    made.add_exception_handler(RequestRefused, _refused)
    made.add_exception_handler(TaskFailure, _unavailable)
    made.add_exception_handler(RequestValidationError, _invalid)
    made.add_exception_handler(HTTPException, _http)
    return made


def _middleware(origins: tuple[str, ...]) -> list[Middleware]:
    surround = Middleware(Surround)
    if not origins:
        return [surround]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"],
        expose_headers=list(_EXPOSED),
        max_age=600,
    )
    return [cors, surround]


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefused)
    return refusal(error, request.headers.get("accept", ""), visit().request_id)


async def _unavailable(request: Request, error: Exception) -> Response:
    """Answer 503 when a service that the API depends on does not answer."""
    message = f"{error} Try again in a moment."
    refused = RequestRefused(
        503, "service_unavailable_error", "service_unavailable", message, headers={"Retry-After": "2"}
    )
    return await _refused(request, refused)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return await _refused(request, refused_parameters(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _refused(request, of_status(error.status_code, str(error.detail), error.headers))
