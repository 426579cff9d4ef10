"""Turn the passages that an answer from an index rests on into citations of tasks and objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer import response as answer
from shared.domain.answer.citations import Passage, passages
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure
from shared.domain.index_entries import Entry, passes
from shared.domain.tasks.task import Task


async def add_citations(
    deps: GenerateDeps, task: Task, places: Sequence[str], response: Json, result: Json
) -> list[str]:
    """Put the citations beside the answer in `result`. Return warnings.

    Raises `PermanentFailure` if the service gave the model anything that the caller may not see: the filter is the
    service's promise, and an answer that rests on foreign text must not leave.
    """
    found = [passage for candidate in answer.candidates(response)[:1] for passage in passages(candidate)]
    stored = await deps.index_entries.get_many({passage.entry for passage in found if passage.entry})
    entries = {key: entry.entry for key, entry in stored.items()}
    for passage in found:
        _refuse_foreign(task, places, passage, entries.get(passage.entry))
    cited = [
        _citation(passage, entries[passage.entry]) for passage in found if passage.cited and passage.entry in entries
    ]
    message = cast(Json, cast(list[Json], result["choices"])[0]["message"])
    message["citations"] = cast(JsonValue, cited)
    warnings = [] if cited else ["The answer rests on no file: nothing that this key may see was found in the index."]
    if any(passage.cited and passage.entry not in entries for passage in found):
        warnings.append("The answer also rests on files that were deleted a moment ago.")
    return warnings


def _refuse_foreign(task: Task, places: Sequence[str], passage: Passage, entry: Entry | None) -> None:
    is_entry_visible = entry is None or not set(entry.places).isdisjoint(places)
    if is_entry_visible and passes(passage.metadata, places):
        return
    log("ERROR", "foreign_passage", "File Search gave a passage that its filter excludes", task=task.id)
    raise PermanentFailure("upstream_error", "File Search did not keep to its filter: the answer was thrown away.")


def _citation(passage: Passage, entry: Entry) -> Json:
    place: Json = {"task": entry.task, "object": entry.object, "title": entry.object.rpartition("/")[2]}
    return {**place, "page": passage.page, "quote": passage.text}
