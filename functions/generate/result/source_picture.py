"""Load the picture that an answer is about, to draw on it and to convert its boxes to pixels.

It is decoded in a child process, one picture at a time in an instance: a few kilobytes can unpack to hundreds of
megabytes. A child that runs out of memory or time leaves the answer without its drawing, and with a warning.
"""

from __future__ import annotations

import asyncio
import threading

from pydantic import JsonValue

from functions.generate.result.source_inputs import generation_seen, load_inputs
from shared.cloud.fetch import RemoteFile
from shared.cloud.telemetry import describe_error, log
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.errors import TaskFailure
from shared.domain.outputs import Source
from shared.domain.outputs.sandboxed_drawing import FUNCTION, arguments_of, read_reply
from shared.domain.recipe.definition import RecipeQuestion
from shared.domain.request.inputs import Inline, Remote, StoredInput
from shared.domain.tasks.task import Task
from shared.sandbox import SandboxCrashed, SandboxError, SandboxOutOfMemory, SandboxTimeout
from shared.transfer_slots import AFTER_WORK_SECONDS

_LARGEST_PICTURE = 64 << 20
"""The largest image that is read to draw on it, in bytes."""
_DRAW_SECONDS = 60.0
"""A picture of 40 megapixels takes a tenth of that where a whole CPU is free."""


async def load_source_picture(deps: GenerateDeps, task: Task, question: RecipeQuestion, value: JsonValue) -> Source:
    """Return the image's upright size and the image with the boxes drawn, as far as both are available."""
    async with deps.transfers.slot(most_seconds=AFTER_WORK_SECONDS):
        return await _load_and_draw(deps, task, question, value)


async def _load_and_draw(deps: GenerateDeps, task: Task, question: RecipeQuestion, value: JsonValue) -> Source:
    source = await _found(deps, task)
    if source.picture is None:
        return source
    bare = source._replace(picture=None)
    size = (source.width, source.height) if source.width and source.height else None
    arguments = arguments_of(value, question.response_schema, size=size, draw="png" in question.outputs)
    try:
        reply = await deps.drawing.run(FUNCTION, arguments, payload=source.picture, seconds=_DRAW_SECONDS)
    except SandboxError as error:
        log("WARNING", "picture_not_drawn", describe_error(error), task=task.id)
        return bare._replace(undrawable=_why(error))
    finally:
        # What a picture took stays with the child that decoded it; the next one starts in a fraction of a second.
        await deps.drawing.close()
    made = read_reply(reply.value, reply.payload)
    width, height = made.size or (None, None)
    return bare._replace(width=width, height=height, drawn=made.drawn, undrawable=made.undrawable)


def _why(error: SandboxError) -> str:
    match error:
        case SandboxTimeout():
            return "drawing on the image takes too long"
        case SandboxOutOfMemory() | SandboxCrashed():
            return "drawing on the image takes more memory than there is"
        case _:
            return "the image could not be decoded to draw on it"


async def _found(deps: GenerateDeps, task: Task) -> Source:
    """Return the image, if it is still available. Requests about several files have none."""
    source = task.source
    if source.kind == "object":
        return await _stored(deps, source.bucket, source.name, source.generation)
    inputs = await load_inputs(deps, task)
    seen = [file.source for file in task.files]
    if len(inputs) != 1:
        return Source(name=source.name)
    match inputs[0]:
        case StoredInput() as image:
            return await _stored(deps, image.bucket, image.name, image.generation or generation_seen(seen, image.uri))
        case Inline() as image:
            return await _source(deps, source.name, image.data(), image.mime)
        case Remote() as image:
            return await _fetched(deps, image)


async def _stored(deps: GenerateDeps, bucket: str, name: str, generation: int | None) -> Source:
    picture = await deps.storage.read(bucket, name, generation=generation, length=_LARGEST_PICTURE + 1)
    return Source(name=name) if picture is None else await _source(deps, name, picture, None)


async def _fetched(deps: GenerateDeps, remote: Remote) -> Source:
    """Fetch the image again: no copy was kept."""
    try:
        file = await deps.web.open(remote.url, stop=threading.Event(), seconds=deps.settings.fetch_seconds)
        with file:
            return await _source(deps, file.name, await asyncio.to_thread(_read, file), file.content_type)
    except TaskFailure:
        return Source(name=remote.url)


def _read(file: RemoteFile) -> bytes:
    return file.read(_LARGEST_PICTURE + 1)


async def _source(deps: GenerateDeps, name: str, picture: bytes, declared: str | None) -> Source:
    if len(picture) > _LARGEST_PICTURE:
        return Source(name=name)
    kind = media.sniff(picture[: media.HEAD], name, declared)
    if not isinstance(kind, media.MediaType) or kind.family != "image":
        return Source(name=name)
    facts = await deps.examiner.examine_bytes(picture, kind)
    return Source(name=name, width=facts.width, height=facts.height, picture=picture)
