"""notify: deliver one signed callback."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response


@functions_framework.aio.http
async def notify(request: Request) -> Response:
    return PlainTextResponse("nothing to deliver")
