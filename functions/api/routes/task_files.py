"""GET /v1/tasks/{id}/source and …/outputs/{name}: the source and the published files of a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from functions.api.auth import FileReader
from functions.api.error_answers import not_found
from functions.api.file_responses import PIECE_BYTES, headers_for, media_type_of, requested_range
from functions.api.openapi_shapes import FILE, FILE_PART, NO_FILE, UNCHANGED, TaskPath, errors
from functions.api.request_state import request_state
from functions.api.task_body import find_task
from shared import wiring
from shared.cloud.storage import StoredObject
from shared.dependencies import ApiDeps
from shared.domain.errors import RequestRefused
from shared.domain.request.inputs import Inline, Remote, StoredInput, inputs_of
from shared.domain.request.schema import read
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task

router = APIRouter()

RangeHeader = Annotated[str | None, Header(alias="Range")]
IfRange = Annotated[str | None, Header(alias="If-Range")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
Download = Annotated[bool, Query(description="Save it, even where a browser could show it.")]
_LARGEST_BUFFERED = 30 << 20
"""Bytes: a response of known length may have 32 MB; a longer one is sent without its length, in chunks."""
_RESPONSES = {200: FILE, 206: FILE_PART, 304: UNCHANGED, **errors(401, 403, 404, 410, 416, 422, 429)}
_SOURCE_RESPONSES = {204: NO_FILE, **_RESPONSES}

Read = Callable[[int, int], Awaitable[bytes]]
"""Returns the bytes from the first number up to, not including, the second."""


@dataclass(frozen=True)
class ServedFile:
    name: str
    media_type: str
    size: int
    version: str
    read: Read


@router.get("/v1/tasks/{task_id}/source", operation_id="get_source", responses=_SOURCE_RESPONSES)
async def get_source(
    task_id: TaskPath,
    key: FileReader,
    input: Annotated[int, Query(ge=0, le=1000, description="Which file of a request.")] = 0,  # noqa: A002
    download: Download = False,
    range_header: RangeHeader = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The file that a task is about. A part of it with `Range`: at most 4 MiB are answered at once."""
    deps = wiring.api()
    task = (await find_task(deps, key, task_id)).task
    file = await source_of(deps, key, task, input)
    if file is None:
        return Response(status_code=204)
    return _serve(file, download, range_header, if_range, if_none_match)


@router.get("/v1/tasks/{task_id}/outputs/{name}", operation_id="get_output", responses=_RESPONSES)
async def get_output(
    task_id: TaskPath,
    name: Annotated[str, Path(description="The last part of one of the task's `outputs`, or its ending.")],
    key: FileReader,
    download: Download = False,
    range_header: RangeHeader = None,
    if_range: IfRange = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A file that a task published. Files that a browser would run, such as HTML, are always saved."""
    deps = wiring.api()
    task = (await find_task(deps, key, task_id)).task
    place = next((uri for uri in task.outputs if _is_called(uri, name)), None)
    if place is None:
        names = ", ".join(uri.rpartition("/")[2] for uri in task.outputs) or "none"
        raise not_found(f"{task.id} published no file {name[:128]!r}. Its files: {names}.")
    bucket, _, path = place.removeprefix("gs://").partition("/")
    file = await _stored_file(deps, bucket, path, None, task)
    return _serve(file, download, range_header, if_range, if_none_match)


async def source_of(deps: ApiDeps, key: Key, task: Task, number: int) -> ServedFile | None:
    """Return the task's object, or file `number` of its request; None if the request has no files.

    Raises 404 or 410 if the file does not exist any more.
    """
    if task.source.kind == "object":
        source = task.source
        return await _stored_file(deps, source.bucket, source.name, source.generation)
    return await _input_of(deps, key, task, number)


def _is_called(uri: str, name: str) -> bool:
    """Return whether a published file has this name or ending. The task's own file is `task.json`, not `json`."""
    last = uri.rpartition("/")[2]
    return last == name or (last.endswith(f".{name}") and last.endswith(".task.json") == name.endswith("task.json"))


async def _stored_file(
    deps: ApiDeps, bucket: str, name: str, generation: int | None, task: Task | None = None
) -> ServedFile:
    """Return an object of this generation. `task`: the task that must have published it."""
    stored = await deps.storage.stat(bucket, name)
    if stored is None or (generation is not None and stored.generation != generation):
        raise _gone(f"gs://{bucket}/{name} is not there any more, or was overwritten.")
    if task is not None and stored.metadata.get("dropsight-task", task.id) != task.id:
        raise _gone(f"gs://{bucket}/{name} was published again by a newer task.")
    if stored.own_key:
        raise _gone(f"gs://{bucket}/{name} is encrypted with a key that only its uploader has.")
    if stored.content_encoding:
        return await _unpacked(deps, stored)

    async def read_part(start: int, end: int) -> bytes:
        part = await deps.storage.read(bucket, name, generation=stored.generation, start=start, length=end - start)
        if part is None:
            raise _gone(f"gs://{bucket}/{name} was overwritten while it was read.")
        return part

    media_type = media_type_of(stored.content_type, name)
    return ServedFile(name, media_type, stored.size, str(stored.generation), read_part)


async def _unpacked(deps: ApiDeps, stored: StoredObject) -> ServedFile:
    """Return an object with a Content-Encoding. It is read whole, because ranges would be of the encoded bytes."""
    data = await deps.storage.read(stored.bucket, stored.name, generation=stored.generation)
    if data is None:
        raise _gone(f"gs://{stored.bucket}/{stored.name} was overwritten while it was read.")
    media_type = media_type_of(stored.content_type, stored.name)
    return _in_memory(stored.name, media_type, data, str(stored.generation))


async def _input_of(deps: ApiDeps, key: Key, task: Task, number: int) -> ServedFile | None:
    """Return a file of the request behind a task, or None if it has no files."""
    source = task.source
    text = await deps.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        raise _gone(f"The request behind {task.id} is not there any more.")
    inputs = await asyncio.to_thread(lambda: inputs_of(read(text)))
    if not inputs and number == 0:
        return None
    if number >= len(inputs):
        raise not_found(f"The request behind {task.id} has {len(inputs)} files.")
    match inputs[number]:
        case Inline() as inline:
            data = await asyncio.to_thread(inline.data)
            return _in_memory(task.metadata.get("file", ""), inline.mime, data, f"{source.generation}-{number}")
        case StoredInput() as stored:
            if not key.covers(stored.uri):
                raise not_found(f"This key may not read {stored.uri}.")
            return await _stored_file(deps, stored.bucket, stored.name, stored.generation)
        case Remote():
            raise not_found("This file came from the web and is not kept. Open its own address.")


def _in_memory(name: str, media_type: str, data: bytes, version: str) -> ServedFile:
    async def read_part(start: int, end: int) -> bytes:
        return data[start:end]

    return ServedFile(name, media_type, len(data), version, read_part)


def _serve(
    file: ServedFile, download: bool, range_header: str | None, if_range: str | None, if_none_match: str | None
) -> Response:
    etag = f'"{file.version}"'
    headers = {**headers_for(file.media_type, file.name, download=download), "ETag": etag}
    if if_none_match is not None and etag in if_none_match:
        return Response(status_code=304, headers=headers)
    try:
        part = requested_range(range_header, file.size) if if_range in (None, etag) else None
    except ValueError as error:
        refused = {"Content-Range": f"bytes */{file.size}"}
        raise RequestRefused(416, "invalid_param", f"Range: {error}.", param="Range", headers=refused) from error
    if part is None:
        start, end, status = 0, file.size, 200
    else:
        start, end, status = part.start, part.end, 206
        headers["Content-Range"] = part.content_range(file.size)
    if end - start <= _LARGEST_BUFFERED:
        headers["Content-Length"] = str(end - start)
    if request_state().head:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_pieces(file, start, end), status_code=status, headers=headers)


async def _pieces(file: ServedFile, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await file.read(start, min(end, start + PIECE_BYTES))
        if not piece:
            return
        yield piece
        start += len(piece)


def _gone(message: str) -> RequestRefused:
    return RequestRefused(410, "source_gone", message)
