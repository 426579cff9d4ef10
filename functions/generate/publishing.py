"""The files that a recipe makes of a task's answers, and the task itself, beside the results.

Written again without harm: names are the source's, and an older generation's task never overwrites a newer one's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import NamedTuple, cast

from pydantic import ValidationError

from shared.domain import checks, media, outputs
from shared.domain.answer import Json
from shared.domain.citations import pages_of
from shared.domain.media import InMemory
from shared.domain.outputs import File, Rendered, Source
from shared.domain.recipe import Asked, Recipe
from shared.domain.task import Task
from shared.domain.view import public
from shared.wiring import Generate

_LARGEST_PICTURE = 64 << 20
"""Bytes of an image that is read to draw on it."""
_LONGEST_STEM = 1024 - 80
"""Bytes: what Cloud Storage takes as a name (https://cloud.google.com/storage/docs/objects#naming), less the longest
ending."""


class Published(NamedTuple):
    uris: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What could not be made, as sentences."""


async def publish(road: Generate, task: Task) -> Published:
    results = await results_of(road, task)
    files: dict[str, File] = {}
    warnings: list[str] = []
    for asked, result in zip(_asked(task), results or (), strict=False):
        message = cast(Json, cast(list[Json], result["choices"])[0]["message"])
        if message.get("tool_calls") and not message.get("content"):
            continue
        rendered = await _rendered(road, task, asked, message)
        files |= rendered.files
        warnings += rendered.warnings
    stem = _stem(task)
    names = [f"{stem}.{ending}" for ending in (*files, "task.json")]
    uris = tuple(f"gs://{road.settings.results_bucket}/{name}" for name in names)
    told = task.model_copy(update={"outputs": uris, "warnings": tuple(dict.fromkeys((*task.warnings, *warnings)))})
    whole = json.dumps(public(told, results), ensure_ascii=False, indent=2).encode()
    for name, file in zip(names, [*files.values(), File(whole, "application/json")], strict=True):
        await _write_unless_newer(road, task, name, file)
    return Published(uris, tuple(warnings))


def _stem(task: Task) -> str:
    """The source's name; one so long that no ending would fit is cut, and told from its like by a digest."""
    stem = f"{task.source.bucket}/{task.source.name}"
    name = stem.encode()
    if len(name) <= _LONGEST_STEM:
        return stem
    mark = "~" + hashlib.sha256(name).hexdigest()[:16]
    return name[: _LONGEST_STEM - len(mark)].decode(errors="ignore") + mark


async def results_of(road: Generate, task: Task) -> tuple[Json, ...] | None:
    if task.results_pointer is None:
        return task.results
    raw = await road.storage.read(road.settings.results_bucket, task.results_pointer.name)
    return None if raw is None else tuple(json.loads(raw))


def _asked(task: Task) -> tuple[Asked, ...]:
    """What the task's recipe asked; a request that names no recipe publishes its answer as Markdown."""
    try:
        return Recipe.model_validate(task.ran.snapshot).asked if task.ran else ()
    except ValidationError:
        return (Asked(name="", prompt="", response_schema=None, outputs=("md",)),)


async def _rendered(road: Generate, task: Task, asked: Asked, message: Json) -> Rendered:
    text = str(message.get("content") or "")
    value = None if asked.response_schema is None else checks.read(text, asked.response_schema).value
    source = Source(name=task.source.name)
    if outputs.needs_picture(asked, value):
        source = await _picture(road, task)
    source = source._replace(pages=tuple(pages_of(message)))
    return await asyncio.to_thread(outputs.render, asked, text, value, source)


async def _picture(road: Generate, task: Task) -> Source:
    """The source image, if that generation of it is still there."""
    source = task.source
    if source.size > _LARGEST_PICTURE:
        return Source(name=source.name)
    picture = await road.storage.read(source.bucket, source.name, generation=source.generation)
    if picture is None:
        return Source(name=source.name)
    kind = media.sniff(picture[: media.HEAD], source.name, source.content_type)
    facts = media.probe(InMemory(picture), kind) if isinstance(kind, media.MediaType) else None
    return Source(
        name=source.name,
        width=facts.width if facts else None,
        height=facts.height if facts else None,
        picture=picture,
    )


async def _write_unless_newer(road: Generate, task: Task, name: str, file: File) -> None:
    mark = {"dropsight-generation": str(task.source.generation), "dropsight-task": task.id}
    bucket, expected = road.settings.results_bucket, 0
    while True:
        written = await road.storage.write(
            bucket, name, file.data, file.content_type, if_generation=expected, metadata=mark, disposition="attachment"
        )
        if written is not None:
            return
        found = await road.storage.stat(bucket, name)
        if found is not None and int(found.metadata.get("dropsight-generation", 0)) > task.source.generation:
            return
        expected = 0 if found is None else found.generation
