"""api: the public HTTP API.

The functions-framework handler returns the FastAPI application, and Starlette runs what a handler returns as an ASGI
application. Lifespan events are never sent.
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
