"""GET /: the web page. Its static files are read from disk at the first request; there is no build step."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared import wiring

router = APIRouter()

_FOLDER = Path(__file__).resolve().parents[1] / "page"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_STORAGE = "https://storage.googleapis.com"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self' {storage}; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@router.get("/", include_in_schema=False)
async def index(request: Request) -> Response:
    return _serve("index.html", request)


@router.get("/page/{name}", include_in_schema=False)
async def asset(name: str, request: Request) -> Response:
    return _serve(name, request)


def _serve(name: str, request: Request) -> Response:
    content = _files().get(name)
    if content is None:
        raise HTTPException(404, "There is no such file of the page.")
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "Cache-Control": "no-cache",
        "ETag": etag,
        "Content-Security-Policy": _POLICY.format(storage=_storage_origin()),
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[Path(name).suffix])


@cache
def _files() -> dict[str, bytes]:
    """Return the page's files by name."""
    files = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    is_local = wiring.api().settings.clock is not None
    files["index.html"] = files["index.html"].replace(
        b'data-place="cloud"', b'data-place="local"' if is_local else b'data-place="cloud"'
    )
    return files


def _storage_origin() -> str:
    """Return the origin to which the page uploads: Cloud Storage, or its stand-in."""
    url = urlsplit(os.environ.get("STORAGE_EMULATOR_HOST", _STORAGE))
    return f"{url.scheme}://{url.netloc}"
