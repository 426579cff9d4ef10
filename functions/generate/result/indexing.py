"""Add a finished file to its recipe's index: its answer as Markdown and, where File Search takes it, the file itself.

At least once, and with one entry of an object in the end: whoever adds documents holds the entry meanwhile, and what an
instance that died has added is deleted before they are added again.
"""

from __future__ import annotations

import asyncio
import io
import secrets
from datetime import timedelta
from typing import NamedTuple, cast

from functions.generate.question.upload import file_id
from shared.cloud.index_entries import StoredEntry
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.index_entries import LARGEST_FILE, Entry, metadata_of, next_step, searchable_files
from shared.domain.models.tokens import CHARACTERS_PER_TOKEN
from shared.domain.money.indexing import tokens_of_file
from shared.domain.service_errors import HandleGone
from shared.domain.tasks.task import Task
from shared.results import load_results

_HELD = timedelta(minutes=10)
"""How long an entry is held: longer than documents take."""
_FIRST_INDEX = 100
"""Of the numbers in the names of a task's uploads: smaller ones are its inputs."""


class Indexed(NamedTuple):
    """What was added to an index."""

    tokens: int = 0
    """An estimate."""
    warnings: tuple[str, ...] = ()


async def add_to_index(deps: GenerateDeps, task: Task) -> Indexed:
    """Add the task's answer and file to its index, in place of what the object had there."""
    assert task.ran is not None
    source, index, now = task.source, str(task.ran.snapshot["index"]), deps.clock.now()
    live = await deps.storage.stat(source.bucket, source.name)
    if live is None or live.generation != source.generation:
        return Indexed()
    entry = Entry(
        index=index,
        store=await deps.file_search.open_store(index),
        object=source.uri,
        generation=source.generation,
        task=task.id,
        places=task.visible_to,
        checked_at=now,
    )
    before = await deps.index_entries.get(entry.key)
    match next_step(before.entry if before else None, task.id, source.generation, now):
        case "done" | "superseded":
            return Indexed()
        case "busy":
            raise TransientFailure(f"{source.uri} is being added to the index {index} by another instance")
    documents = before.entry.documents if before else ()
    hold = {"documents": documents, "holder": secrets.token_hex(8), "held_until": now + _HELD}
    held = await deps.index_entries.put(entry.model_copy(update=hold), before)
    if held is None:
        raise TransientFailure(f"{source.uri} is being added to the index {index} by another instance")
    try:
        await _remove_documents(deps, before)
        added, indexed = await _add_documents(deps, task, entry)
    except BaseException:
        # For the next try, which needs not wait; what was added so far is deleted then.
        await deps.index_entries.put(held.entry.model_copy(update={"held_until": deps.clock.now()}), held)
        raise
    if await deps.index_entries.put(entry.model_copy(update={"documents": tuple(added)}), held) is None:
        raise TransientFailure(f"adding {source.uri} to the index {index} took too long: another instance has begun")
    log("INFO", "indexed", f"{source.uri} was added to the index {index}", task=task.id, documents=len(added))
    return indexed


async def _remove_documents(deps: GenerateDeps, before: StoredEntry | None) -> None:
    if before is None:
        return
    entry = before.entry
    left = await deps.file_search.documents_of(entry.store, entry.key) if entry.holder else entry.documents
    for name in left:
        await deps.file_search.delete_document(name)


async def _add_documents(deps: GenerateDeps, task: Task, entry: Entry) -> tuple[list[str], Indexed]:
    """Add the answer and the files; return the documents' names."""
    metadata, warnings = metadata_of(entry), list[str]()
    text = await _answer_of(deps, task)
    added = [await _add_answer(deps, task, entry, text)]
    for file in searchable_files(task.files, task.source):
        try:
            if task.source.size > LARGEST_FILE:
                raise PermanentFailure("payload_too_large", "File Search takes files of 100 MB at most.")
            added.append(await deps.file_search.add_file(entry.store, file.name, metadata))
        except HandleGone:
            warnings.append(f"The index {entry.index} has the answer, but not the file: its upload is gone.")
        except PermanentFailure as failure:
            warnings.append(f"The index {entry.index} has the answer, but not the file: {failure.message}")
    tokens = len(text) // CHARACTERS_PER_TOKEN + (tokens_of_file(task) if len(added) > 1 else 0)
    return added, Indexed(tokens, tuple(warnings))


async def _answer_of(deps: GenerateDeps, task: Task) -> str:
    """Return the answers to all questions as one Markdown text."""
    results = await load_results(deps.storage, deps.settings.results_bucket, task)
    answers = [str(_message(result).get("content") or "") for result in results or ()]
    return "\n\n".join([f"# {_title(task)}", *answers])


def _title(task: Task) -> str:
    return task.source.name.rpartition("/")[2]


async def _add_answer(deps: GenerateDeps, task: Task, entry: Entry, text: str) -> str:
    """Upload the answer as Markdown, add it to the store, and delete the upload."""
    index = _FIRST_INDEX + secrets.randbelow(900)
    uploaded = await deps.gemini.upload(
        io.BytesIO(text.encode()),
        file_id=file_id(deps.settings.environment, task, index, task.token),
        mime_type="text/markdown",
        display_name=_title(task),
        input=index,
    )
    try:
        active = uploaded if uploaded.active else await deps.gemini.wait_until_active(uploaded)
        return await deps.file_search.add_file(entry.store, active.name, metadata_of(entry))
    finally:
        # Also if the function is stopped; sweep deletes what is left after a crash.
        await asyncio.shield(deps.gemini.delete(uploaded.name))


def _message(result: Json) -> Json:
    return cast(Json, cast(list[Json], result["choices"])[0]["message"])
