"""The files of a task's request, read again once it is answered: to draw on them, or to look quotes up in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from shared.dependencies import GenerateDeps
from shared.domain.errors import RequestRefused
from shared.domain.request.inputs import Input, inputs_of
from shared.domain.request.schema import read
from shared.domain.tasks.task import Task


async def load_inputs(deps: GenerateDeps, task: Task) -> list[Input]:
    """Return the files that the request names; none if it is gone, or cannot be read any more."""
    source = task.source
    text = await deps.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        return []
    try:
        # In a thread: a request may have 29 MB.
        return await asyncio.to_thread(lambda: inputs_of(read(text)))
    except RequestRefused:
        return []


def generation_seen(sources: Iterable[str], uri: str) -> int | None:
    """Return the generation of an object that Gemini saw; None if unknown: then the newest is used.

    `sources` are the files that it saw, as `gs://bucket/name#generation`.
    """
    places = (source.rpartition("#") for source in sources)
    return next((int(generation) for place, _, generation in places if place == uri), None)
