"""/v1/files, compatible with OpenAI's. Files are stored in the requests bucket, and requests name them by id."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import cast
from urllib.parse import quote, unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.api.auth import Reader, Submitter
from functions.api.json_body import render_json
from functions.api.openapi_clients import FILE_CONTENT, FILE_DELETED, FILE_LIST, FILE_UPLOAD, ONE_FILE
from shared import wiring
from shared.cloud.storage import StoredObject
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.request.uploads import uploads_folder
from shared.domain.tasks.access import Key

router = APIRouter(prefix="/v1/files")

_ID = "file-"
_NAME_MARK, _PURPOSE_MARK = "dropsight-filename", "dropsight-purpose"
_LARGEST_PAGE = 1000
_MAX_LOOKED_AT = 5_000
"""Files that one request looks at for those of a purpose."""
_PIECE_BYTES = 4 << 20


@router.post("", operation_id="create_file", **FILE_UPLOAD)
async def create(request: Request, key: Submitter) -> Response:
    """Keep a file until it is deleted or as old as requests are kept."""
    from functions.api.multipart import discard, read_form

    deps = wiring.api()
    form = await read_form(request, deps.uploads, uploads_folder(key.id), name=f"{_ID}{secrets.token_hex(16)}")
    try:
        if form.file is None:
            raise FieldRefused("file", "file: it is missing. Send it as a part of a form.")
        if not form.file.stored.size:
            raise FieldRefused("file", "file: it is empty (0 bytes).")
        purpose = dict(form.fields).get("purpose", "user_data")
        marks = {_NAME_MARK: quote(form.file.filename[:255]), _PURPOSE_MARK: quote(purpose[:64])}
        stored = await deps.storage.mark(form.file.stored.bucket, form.file.stored.name, marks)
    except RequestRefused:
        await discard(deps.uploads, form)
        raise
    return render_json(_shown(stored))


@router.get("", operation_id="list_files", **FILE_LIST)
async def list_files(key: Reader, limit: int = _LARGEST_PAGE, after: str = "", purpose: str = "") -> Response:
    """List this key's files, by their ids; those of one purpose, if it is given.

    A page may have fewer than `limit` files, or none, while `has_more` is true: the next one begins after `last_id`.
    """
    deps, folder = wiring.api(), uploads_folder(key.id)
    most = min(max(1, limit), _LARGEST_PAGE)
    listing = deps.storage.listing(
        deps.settings.requests_bucket, f"{folder}{_ID}", after=f"{folder}{after}" if after else ""
    )
    shown, more_after = await _page_of(listing, most, purpose)
    return render_json(
        {
            "object": "list",
            "data": cast(list, shown),  # type: ignore[type-arg]
            "has_more": more_after is not None,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": more_after or (shown[-1]["id"] if shown else None),
        }
    )


@router.get("/{file_id}", operation_id="get_file", **ONE_FILE)
async def show(file_id: str, key: Reader) -> Response:
    """Describe a file."""
    return render_json(_shown(await _find(wiring.api(), key, file_id)))


@router.get("/{file_id}/content", operation_id="get_file_content", **FILE_CONTENT)
async def content(file_id: str, key: Reader) -> Response:
    """Download a file."""
    deps = wiring.api()
    stored = await _find(deps, key, file_id)
    headers = {"Content-Length": str(stored.size), "Content-Disposition": "attachment"}
    return StreamingResponse(_pieces(deps, stored), headers=headers, media_type="application/octet-stream")


@router.delete("/{file_id}", operation_id="delete_file", **FILE_DELETED)
async def delete(file_id: str, key: Submitter) -> Response:
    """Delete a file; tasks that have it already keep their answers."""
    deps = wiring.api()
    stored = await _find(deps, key, file_id)
    await deps.storage.delete(stored.bucket, stored.name)
    return render_json({"id": file_id, "object": "file", "deleted": True})


async def _page_of(listing: AsyncIterator[StoredObject], most: int, purpose: str) -> tuple[list[Json], str | None]:
    """Return up to `most` files of a purpose, and the id after which there may be others, or None."""
    files: list[Json] = []
    looked_at, last = 0, None
    async for stored in listing:
        file = _shown(stored)
        is_wanted = purpose in ("", file["purpose"])
        if looked_at == _MAX_LOOKED_AT or (is_wanted and len(files) == most):
            return files, last
        looked_at, last = looked_at + 1, str(file["id"])
        if is_wanted:
            files.append(file)
    return files, None


async def _find(deps: ApiDeps, key: Key, file_id: str) -> StoredObject:
    from functions.api.named_files import file_not_found
    from shared.domain.openai.chat import is_file_id

    name = f"{uploads_folder(key.id)}{file_id}"
    stored = await deps.storage.stat(deps.settings.requests_bucket, name) if is_file_id(file_id) else None
    if stored is None:
        raise file_not_found(file_id)
    return stored


async def _pieces(deps: ApiDeps, stored: StoredObject) -> AsyncIterator[bytes]:
    at = 0
    while at < stored.size:
        piece = await deps.storage.read(
            stored.bucket, stored.name, generation=stored.generation, start=at, length=_PIECE_BYTES
        )
        if not piece:
            return
        at += len(piece)
        yield piece


def _shown(stored: StoredObject) -> Json:
    return {
        "id": stored.name.rpartition("/")[2],
        "object": "file",
        "bytes": stored.size,
        "created_at": int(stored.created_at.timestamp()),
        "filename": unquote(stored.metadata.get(_NAME_MARK, "file")),
        "purpose": unquote(stored.metadata.get(_PURPOSE_MARK, "user_data")),
        "status": "processed",
    }
