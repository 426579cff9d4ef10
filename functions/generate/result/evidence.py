"""Take the evidence out of an answer, and look its quotes up in the task's source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import cast

from pydantic import JsonValue

from functions.generate.question.upload import identify_object
from functions.generate.result.source_inputs import generation_seen, load_inputs
from shared.cloud.object_stream import SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.answer.response import Json
from shared.domain.checks.quotes import Found, paths_of_values, warnings_of_evidence
from shared.domain.errors import PermanentFailure
from shared.domain.media import InMemory
from shared.domain.recipe.evidence import Quote, split_evidence
from shared.domain.request.inputs import Inline, StoredInput
from shared.domain.tasks.task import Task
from shared.examiner import Threaded
from shared.off_loop import off_loop


async def move_evidence(
    deps: GenerateDeps, task: Task, sources: Sequence[str], value: JsonValue, result: Json
) -> list[str]:
    """Reduce the result's content to the answer, and put the checked quotes beside it. Return warnings.

    `sources` are the files that the model saw, as `gs://bucket/name#generation`; `value` is the whole structured
    answer; `result` is changed.
    """
    evidenced = split_evidence(value)
    if evidenced is None:
        return ["The answer came without evidence."]
    async with deps.transfers.slot():
        found = await _look_up(deps, task, sources, evidenced.quotes)
    entries = [_entry(quote, place) for quote, place in zip(evidenced.quotes, found, strict=True)]
    message = cast(Json, cast(list[Json], result["choices"])[0]["message"])
    message["content"] = json.dumps(evidenced.answer, ensure_ascii=False)
    message["evidence"] = cast(JsonValue, entries)
    paths = await off_loop(paths_of_values, evidenced.answer)
    return await off_loop(warnings_of_evidence, paths, entries)


def _entry(quote: Quote, found: Found) -> Json:
    """Return a quote as the task shows it, with the page where it was found, or else the page that the model named."""
    # Firestore refuses a list within a list.
    boxes: list[JsonValue] = [{"box_2d": list(box)} for box in found.boxes]
    page = quote.page if found.match in ("missing", "unchecked") else found.page
    return {"path": quote.path, "quote": quote.text, "page": page, "match": found.match, "boxes": boxes}


async def _look_up(deps: GenerateDeps, task: Task, sources: Sequence[str], quotes: Sequence[Quote]) -> list[Found]:
    """Look the quotes up in the task's file. They are `unchecked` if there are several files, or none any more."""
    unchecked = [Found("unchecked")] * len(quotes)
    place = task.source
    try:
        if place.kind == "object":
            return await _in_object(deps, place.bucket, place.name, place.generation, quotes)
        match await load_inputs(deps, task):
            case [StoredInput() as file]:
                generation = file.generation or generation_seen(sources, file.uri)
                return await _in_object(deps, file.bucket, file.name, generation, quotes)
            case [Inline() as file]:
                data = file.data()
                kind = await deps.storage.in_thread(partial(media.identify, InMemory(data), "", file.mime))
                if isinstance(kind, media.Refusal):
                    return unchecked
                source = Threaded(InMemory(data), deps.storage.in_thread)
                return await deps.examiner.find_quotes(source, kind, quotes)
            case _:
                return unchecked
    except (PermanentFailure, SourceVanished):
        return unchecked


async def _in_object(
    deps: GenerateDeps, bucket: str, name: str, generation: int | None, quotes: Sequence[Quote]
) -> list[Found]:
    if (identified := await identify_object(deps, bucket, name, generation)) is None:
        return [Found("unchecked")] * len(quotes)
    return await deps.examiner.find_quotes(*identified, quotes)
