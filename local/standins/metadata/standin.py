"""`computeMetadata/v1` for one account. Clients use it with `GCE_METADATA_HOST=127.0.0.1:PORT`.

Access tokens are opaque, as Google's; `account_of` tells receivers of the local system whose they are.
"""

from __future__ import annotations

import argparse
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import Clock

Sign = Callable[[str, str], str]
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_FLAVOR = {"Metadata-Flavor": "Google"}
_LIFETIME_SECONDS = 3599
_MAX_TOKENS = 10_000
"""Access tokens that are remembered; the oldest are forgotten."""


class MetadataStandIn:
    """`sign(email, audience)` makes the ID tokens."""

    def __init__(self, *, clock: Clock, tap: Tap, sign: Sign, email: str, project: str) -> None:
        self.email, self._project, self._clock, self._sign = email, project, clock, sign
        self._access_tokens: dict[str, float] = {}
        account = "/computeMetadata/v1/instance/service-accounts/{account}"
        routes = {
            "/": _ping,
            "/computeMetadata/v1/project/project-id": self._show_project,
            "/computeMetadata/v1/universe/universe-domain": _show_universe,
            f"{account}/": self._show_account,
            f"{account}/email": self._show_email,
            f"{account}/identity": self._make_id_token,
            f"{account}/token": self._make_access_token,
        }
        app = Starlette(routes=[Route(path, self._guarded(answer)) for path, answer in routes.items()])
        self._server = HttpServer(tap.http("metadata", app, _error_body))

    async def start(self, port: int = 0) -> int:
        return await self._server.start(port)

    async def stop(self) -> None:
        await self._server.stop()

    def account_of(self, access_token: str) -> str | None:
        """Return the account whose access token this is; None if it is unknown or has expired."""
        return self.email if self._access_tokens.get(access_token, 0) > self._clock.time() else None

    def _guarded(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            # What keeps a forged request, made by a server that fetches URLs for others, from the tokens.
            if request.headers.get("Metadata-Flavor") != "Google" or "X-Forwarded-For" in request.headers:
                return PlainTextResponse("Missing Metadata-Flavor:Google header.", 403, _FLAVOR)
            if request.path_params.get("account", "default") not in ("default", self.email):
                return PlainTextResponse("Not Found", 404, _FLAVOR)
            response = await answer(request)
            response.headers.update(_FLAVOR)
            return response

        return guarded

    async def _show_project(self, _: Request) -> Response:
        return PlainTextResponse(self._project)

    async def _show_account(self, _: Request) -> Response:
        return JSONResponse({"aliases": ["default"], "email": self.email, "scopes": [_SCOPE]})

    async def _show_email(self, _: Request) -> Response:
        return PlainTextResponse(self.email)

    async def _make_id_token(self, request: Request) -> Response:
        audience = request.query_params.get("audience")
        if not audience:
            return PlainTextResponse("non-empty audience parameter required", 400)
        return PlainTextResponse(self._sign(self.email, audience))

    async def _make_access_token(self, _: Request) -> Response:
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._access_tokens[token] = self._clock.time() + _LIFETIME_SECONDS
        if len(self._access_tokens) > _MAX_TOKENS:
            del self._access_tokens[next(iter(self._access_tokens))]
        return JSONResponse({"access_token": token, "expires_in": _LIFETIME_SECONDS, "token_type": "Bearer"})


async def _ping(_: Request) -> Response:
    return PlainTextResponse("computeMetadata/\n")


async def _show_universe(_: Request) -> Response:
    return PlainTextResponse("googleapis.com")


def _error_body(status: int, _retry_delay: float | None) -> tuple[bytes, dict[str, str]]:
    return json.dumps({"error": f"planted {status}"}).encode(), {"Content-Type": "application/json", **_FLAVOR}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--email", default="local@local.iam.gserviceaccount.com", help="the service account (default: %(default)s)"
    )
    parser.add_argument("--project", default="local", help="the project's id (default: %(default)s)")


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> MetadataStandIn:
    return MetadataStandIn(clock=clock, tap=tap, sign=Issuer(clock, data).token, email=args.email, project=args.project)
