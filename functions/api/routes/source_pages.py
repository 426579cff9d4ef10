"""GET /v1/tasks/{id}/source/pages: the pages of a task's PDF as pictures, on which the web page highlights quotes.

Pages are drawn on request, in a child process. Its code is imported at the first request.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from functions.api.auth import FileReader
from functions.api.error_answers import not_found
from functions.api.file_responses import headers_for
from functions.api.json_body import encode_json
from functions.api.openapi_shapes import UNCHANGED, Document, TaskPath, errors, json_response
from functions.api.routes.task_files import IfNoneMatch, ServedFile, source_of
from functions.api.task_body import find_task
from shared import wiring
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key

if TYPE_CHECKING:
    from shared.page_drawer import DrawnPage, PageDrawer

router = APIRouter()

_VERSION = "1"
"""Part of the ETags: increase it if pages are drawn differently."""
_PNG: Document = {
    "description": "The page.",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}
_ERRORS = errors(401, 403, 404, 410, 422, 429)
WhichInput = Annotated[int, Query(ge=0, le=1000, description="Which file of a request.")]


@router.get(
    "/v1/tasks/{task_id}/source/pages",
    operation_id="get_pages",
    responses={200: json_response("PagesShown"), 304: UNCHANGED, **_ERRORS},
)
async def get_pages(
    task_id: TaskPath,
    key: FileReader,
    input: WhichInput = 0,  # noqa: A002
    if_none_match: IfNoneMatch = None,
) -> Response:
    """How many pages a task's PDF has, and the size of the first in pixels."""
    file = await _pdf_of(key, task_id, input)
    headers = _headers(file, "application/json", "pages")
    if headers["ETag"] == if_none_match:
        return Response(status_code=304, headers=headers)
    drawn = await _draw(file, 0)
    body = {"object": "pages", "pages": drawn.pages, "width": drawn.width, "height": drawn.height}
    return Response(encode_json(body), headers=headers)


@router.get(
    "/v1/tasks/{task_id}/source/pages/{number}.png",
    operation_id="get_page",
    responses={200: _PNG, 304: UNCHANGED, **_ERRORS},
)
async def get_page(
    task_id: TaskPath,
    number: Annotated[int, Path(ge=1, le=100_000, description="Counted from 1.", examples=[1])],
    key: FileReader,
    input: WhichInput = 0,  # noqa: A002
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A page of a task's PDF as a PNG of 1,200 pixels in width; 3,000 at most in height."""
    file = await _pdf_of(key, task_id, input)
    headers = _headers(file, "image/png", str(number))
    if headers["ETag"] == if_none_match:
        return Response(status_code=304, headers=headers)
    drawn = await _draw(file, number)
    if not drawn.picture:
        message = f"The document has {drawn.pages} pages; there is no page {number}."
        raise RequestRefused(404, "not_found", message, param="number")
    return Response(drawn.picture, headers=headers)


async def _pdf_of(key: Key, task_id: str, number: int) -> ServedFile:
    deps = wiring.api()
    task = (await find_task(deps, key, task_id)).task
    file = await source_of(deps, key, task, number)
    if file is None:
        raise not_found("The task is about words alone: there is no file.")
    if file.media_type != "application/pdf":
        raise not_found(f"Only PDFs have pages here; this file is {file.media_type}.")
    return file


class _Ranges(NamedTuple):
    """Adapts a served file to the reader that the page drawer expects."""

    file: ServedFile

    @property
    def size(self) -> int:
        return self.file.size

    async def read(self, offset: int, length: int) -> bytes:
        return await self.file.read(offset, min(offset + length, self.file.size))


async def _draw(file: ServedFile, number: int) -> DrawnPage:
    from shared.page_drawer import PageNotDrawn

    try:
        return await _drawer().draw(_Ranges(file), number)
    except PageNotDrawn as error:
        message = f"Page {number or 1} cannot be drawn. {error}"
        raise RequestRefused(422, "invalid_param", message, param="number") from error


@cache
def _drawer() -> PageDrawer:
    from shared.page_drawer import PageDrawer

    return PageDrawer()


def _headers(file: ServedFile, media_type: str, part: str) -> dict[str, str]:
    etag = f'"{file.version}-{_VERSION}-{part}"'
    return {**headers_for(media_type, f"{part}.png", download=False), "ETag": etag, "Accept-Ranges": "none"}
