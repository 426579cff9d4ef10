"""The picture that an answer is about, to draw on it and to turn its boxes into pixels."""

from __future__ import annotations

import asyncio
import threading

from shared.cloud.fetch import RemoteFile
from shared.domain import media
from shared.domain.errors import RequestRefused, TaskFailure
from shared.domain.outputs import Source
from shared.domain.request import Inline, Remote, StoredInput, inputs_of, read
from shared.domain.task import Task
from shared.wiring import Generate

_LARGEST_PICTURE = 64 << 20
"""Bytes of an image that is read to draw on it."""


async def picture_of(road: Generate, task: Task) -> Source:
    """With the image itself, if it can still be had; of a request about several files there is none."""
    source = task.source
    if source.kind == "object":
        return await _stored(road, source.bucket, source.name, source.generation)
    text = await road.storage.read(source.bucket, source.name, generation=source.generation)
    try:
        inputs = inputs_of(read(text)) if text is not None else []
    except RequestRefused:
        inputs = []
    if len(inputs) != 1:
        return Source(name=source.name)
    match inputs[0]:
        case StoredInput() as each:
            return await _stored(road, each.bucket, each.name, each.generation or _handed_over(task, each.uri))
        case Inline() as each:
            return await _source(road, source.name, each.data(), each.mime)
        case Remote() as each:
            return await _fetched(road, each)


def _handed_over(task: Task, uri: str) -> int | None:
    """The generation that Gemini was shown. None: not known any more, and the newest must do."""
    shown = (file.source.rpartition("#") for file in task.files)
    return next((int(generation) for place, _, generation in shown if place == uri), None)


async def _stored(road: Generate, bucket: str, name: str, generation: int | None) -> Source:
    picture = await road.storage.read(bucket, name, generation=generation, length=_LARGEST_PICTURE + 1)
    return Source(name=name) if picture is None else await _source(road, name, picture, None)


async def _fetched(road: Generate, each: Remote) -> Source:
    """Fetched once more: nothing of it was kept."""
    try:
        file = await road.web.open(each.url, stop=threading.Event(), seconds=road.settings.fetch_seconds)
        with file:
            return await _source(road, file.name, await asyncio.to_thread(_read, file), file.content_type)
    except TaskFailure:
        return Source(name=each.url)


def _read(file: RemoteFile) -> bytes:
    return file.read(_LARGEST_PICTURE + 1)


async def _source(road: Generate, name: str, picture: bytes, declared: str | None) -> Source:
    if len(picture) > _LARGEST_PICTURE:
        return Source(name=name)
    kind = media.sniff(picture[: media.HEAD], name, declared)
    if not isinstance(kind, media.MediaType) or kind.family != "image":
        return Source(name=name)
    facts = await road.examiner.examine_bytes(picture, kind)
    return Source(name=name, width=facts.width, height=facts.height, picture=picture)
