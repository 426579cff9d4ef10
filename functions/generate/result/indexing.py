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

from functions.generate.model.spending import end_earlier_reservation
from functions.generate.question.upload import file_id
from shared.cloud.file_search import ImportFailed, ImportUnderWay
from shared.cloud.index_entries import StoredEntry
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import BudgetSpent, ConnectionBroken, PermanentFailure, TaskFailure, TransientFailure
from shared.domain.index_entries import (
    LARGEST_FILE,
    MAX_FAILURES,
    Entry,
    entry_key,
    metadata_of,
    next_check,
    next_step,
    searchable_files,
)
from shared.domain.models.text_tokens import most_of_text
from shared.domain.money.indexing import cost_of_indexing, tokens_of_file
from shared.domain.service_errors import HandleGone
from shared.domain.tasks.task import GeminiFile, Task
from shared.results import load_results
from shared.stale_entries import is_stale, remove_entry

_HELD = timedelta(minutes=10)
"""How long an entry is held."""
_LONGEST = timedelta(minutes=7)
"""How long adding documents may take. The rest of the hold is enough for an import that begins at the end."""
_FIRST_INDEX = 100
"""Of the numbers in the names of a task's uploads: smaller ones are its inputs."""
_UNCERTAIN = (TimeoutError, asyncio.CancelledError, ImportUnderWay, ConnectionBroken)
"""Errors after which a document may have been added all the same."""


class Indexed(NamedTuple):
    """The result of adding a file to an index."""

    tokens: int = 0
    """An estimate."""
    warnings: tuple[str, ...] = ()


async def add_to_index(deps: GenerateDeps, task: Task) -> Indexed:
    """Add the task's answer and file to its index, in place of the object's earlier entry.

    Raises `BudgetSpent`, or `PermanentFailure`, before anything is paid that the budgets do not allow.
    """
    assert task.ran is not None
    source, index, now = task.source, str(task.ran.snapshot["index"]), deps.clock.now()
    live = await deps.storage.stat(source.bucket, source.name)
    if live is None or live.generation != source.generation:
        return Indexed(await leave_out_of_index(deps, task))
    entry = Entry(
        index=index,
        store=await deps.file_search.open_store(index),
        object=source.uri,
        generation=source.generation,
        task=task.id,
        places=task.visible_to,
        added_at=now,
        check_at=next_check(now, now),
    )
    before = await deps.index_entries.get(entry.key)
    match next_step(before.entry if before else None, task.id, source.generation, now):
        case "done":
            # An instance that died, or is just committing the task, has not counted its tokens.
            return Indexed(before.entry.tokens if before else 0)
        case "superseded":
            return Indexed()
        case "busy":
            raise TransientFailure(f"{source.uri} is being added to the index {index} by another instance")
    entry = entry.model_copy(update=_inherited(before, task))
    text, paid = await _answer_of(deps, task), entry.tokens
    documents = before.entry.documents if before else ()
    more = most_of_text(text) + (tokens_of_file(task) if _files_to_add(task) else 0)
    adding = _Adding(entry, text, paid)
    try:
        await deps.budgets.reserve_import(task, cost_of_indexing(more), cost_of_indexing(paid))
    except BudgetSpent:
        # An import that waits reserves nothing: two that wait would be in each other's way, and in that of all calls.
        await end_earlier_reservation(deps, task)
        raise
    try:
        # The possible cost is counted beforehand, since a killed instance cannot report its progress.
        hold = {"documents": documents, "holder": secrets.token_hex(8), "held_until": now + _HELD}
        held = await deps.index_entries.put(entry.model_copy(update={**hold, "tokens": paid + more}), before)
        if held is None:
            raise TransientFailure(f"{source.uri} is being added to the index {index} by another instance")
        return await _add_held(deps, task, adding, before, held)
    finally:
        deps.budgets.settle(task, cost_of_indexing(adding.tokens))


def _inherited(before: StoredEntry | None, task: Task) -> dict[str, int]:
    """Return the tokens that a new try takes over from the entry: the ones that earlier tries may have been billed.

    They include the tokens of another task that was killed meanwhile: it is superseded, and counts none itself.
    """
    if before is None:
        return {}
    entry = before.entry
    is_own = (entry.task, entry.generation) == (task.id, task.source.generation)
    tokens = entry.tokens if is_own or entry.holder else 0
    return {"tokens": tokens, "failures": entry.failures if is_own else 0}


class _Adding:
    """The documents of an entry that have been added, even if adding fails half-way."""

    def __init__(self, entry: Entry, text: str, tokens: int) -> None:
        self.entry, self.text, self.tokens = entry, text, tokens
        """The entry, the answer as Markdown, and the tokens that were paid for, in all tries."""
        self.documents, self.warnings = list[str](), list[str]()


async def _add_held(
    deps: GenerateDeps, task: Task, adding: _Adding, before: StoredEntry | None, held: StoredEntry
) -> Indexed:
    """Add the documents while the entry is held. If another instance has taken it over, remove them again."""
    entry = adding.entry
    try:
        async with asyncio.timeout(_LONGEST.total_seconds()):
            await _remove_documents(deps, before)
            await _add_documents(deps, task, adding)
    except BaseException as error:
        # For the next try, which needs not wait; what was added so far is deleted then. If an import may still be under
        # way, the next try waits for the hold's end.
        until = held.entry.held_until if isinstance(error, (TimeoutError, ImportUnderWay)) else deps.clock.now()
        failures = entry.failures + isinstance(error, (ImportFailed, HandleGone))
        # If it is unknown how an import ended, the possible cost of the try stays counted.
        tokens = held.entry.tokens if isinstance(error, _UNCERTAIN) else adding.tokens
        left = {"held_until": until, "tokens": tokens, "failures": failures}
        if await deps.index_entries.put(held.entry.model_copy(update=left), held) is None:
            await _take_out(deps, adding)
        elif not isinstance(error, _UNCERTAIN):
            await end_earlier_reservation(deps, task)
        if isinstance(error, TimeoutError):
            raise TransientFailure(f"adding {entry.object} to the index {entry.index} took too long") from error
        raise
    settled = entry.model_copy(update={"documents": tuple(adding.documents), "tokens": adding.tokens})
    if await deps.index_entries.put(settled, held) is None:
        await _take_out(deps, adding)
        raise TransientFailure(f"{entry.object} is being added to the index {entry.index} by another instance")
    count = len(adding.documents)
    log("INFO", "indexed", f"{entry.object} was added to the index {entry.index}", task=task.id, documents=count)
    return Indexed(adding.tokens, tuple(adding.warnings))


async def leave_out_of_index(deps: GenerateDeps, task: Task) -> int:
    """Take out what tries to add the task to its index have added. Return the tokens that they may have been billed.

    The entry stays, without documents: a dispatch that comes after a crash finds the tokens there, and does not try
    again.
    """
    assert task.ran is not None
    stored = await deps.index_entries.get(entry_key(str(task.ran.snapshot["index"]), task.source.uri))
    if stored is None or (stored.entry.task, stored.entry.generation) != (task.id, task.source.generation):
        return 0
    entry = stored.entry
    if entry.holder:
        busy = TransientFailure(f"{entry.object} is being added to the index {entry.index} by another instance")
        if entry.is_held(deps.clock.now()):
            # An import may yet add a document, which nobody would find later.
            raise busy
        await _remove_documents(deps, stored)
        empty = {"holder": "", "held_until": None, "documents": ()}
        if await deps.index_entries.put(entry.model_copy(update=empty), stored) is None:
            raise busy
    return entry.tokens


async def _take_out(deps: GenerateDeps, adding: _Adding) -> None:
    for name in adding.documents:
        await deps.file_search.delete_document(name)


async def _remove_documents(deps: GenerateDeps, before: StoredEntry | None) -> None:
    if before is None:
        return
    entry = before.entry
    left = await deps.file_search.documents_of(entry.store, entry.key) if entry.holder else entry.documents
    for name in left:
        await deps.file_search.delete_document(name)


async def _add_documents(deps: GenerateDeps, task: Task, adding: _Adding) -> None:
    """Add the answer and the files, without those that the service cannot import or has often failed to."""
    entry = adding.entry
    try:
        adding.documents.append(await _add_answer(deps, task, entry, adding.text))
        adding.tokens += most_of_text(adding.text)
    except (PermanentFailure, ImportFailed, HandleGone) as failure:
        if not isinstance(failure, PermanentFailure) and entry.failures + 1 < MAX_FAILURES:
            raise
        adding.warnings.append(f"The index {entry.index} does not have the answer: {failure.message}")
    has_answer = bool(adding.documents)
    what_it_has = (
        f"The index {entry.index} {'has the answer, but not the file' if has_answer else 'has no file either'}"
    )
    if task.source.size > LARGEST_FILE and searchable_files(task.files, task.source):
        adding.warnings.append(f"{what_it_has}: File Search takes files of 100 MB at most.")
    for file in _files_to_add(task):
        try:
            adding.documents.append(await deps.file_search.add_file(entry.store, file.name, metadata_of(entry)))
        except HandleGone:
            adding.warnings.append(f"{what_it_has}: its upload is gone.")
        except (PermanentFailure, ImportFailed) as failure:
            if isinstance(failure, ImportFailed) and entry.failures + 1 < MAX_FAILURES:
                raise
            adding.warnings.append(f"{what_it_has}: {failure.message}")
    adding.tokens += tokens_of_file(task) if len(adding.documents) > has_answer else 0


def _files_to_add(task: Task) -> list[GeminiFile]:
    return searchable_files(task.files, task.source) if task.source.size <= LARGEST_FILE else []


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
        # Even if the function is stopped; sweep deletes files that a crash leaves.
        await asyncio.shield(deps.gemini.delete(uploaded.name))


def _message(result: Json) -> Json:
    return cast(Json, cast(list[Json], result["choices"])[0]["message"])


async def remove_deleted_object(deps: GenerateDeps, key: str) -> bool:
    """Remove the entry of this key if its object is gone. Return False if Cloud Tasks should try again.

    ingest dispatches this when the object is deleted; sweep removes what is missed here.
    """
    stored = await deps.index_entries.get(key)
    if stored is None or stored.entry.is_held(deps.clock.now()):
        return True
    try:
        if await is_stale(deps.storage, stored.entry):
            await remove_entry(deps.file_search, deps.index_entries, stored)
    except TaskFailure as failure:
        log("WARNING", "index_entry_not_removed", failure.summary, object=stored.entry.object)
        return isinstance(failure, PermanentFailure)
    return True
