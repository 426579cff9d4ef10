"""api: the public HTTP API, a FastAPI application that the functions-framework's handler returns.

Starlette awaits what a handler returns as an ASGI application; its lifespan never runs.
"""

from __future__ import annotations

from shared import collector  # isort: split

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.api.app import app
from shared.settings import ApiSettings, refuse_misconfiguration

collector.resume()
refuse_misconfiguration(ApiSettings)


@functions_framework.aio.http
async def api(request: Request) -> Response:
    return cast(Response, app())
