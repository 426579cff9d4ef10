"""Hand the documents of a bundle over as new work: each becomes an object of the inbox, whose event makes its task.

Done again without harm: the name of a document holds its bundle's task, and it is written only if no object and no
task of that name exists. So a retry makes none anew of what was cleared from the inbox meanwhile. Documents of
documents become no tasks, so bundles never feed themselves.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from shared.dependencies import GenerateDeps
from shared.domain.outputs import File
from shared.domain.tasks.bundle_documents import document_name, parent_of
from shared.domain.tasks.task import Task, derive_id


class DocumentTasks(NamedTuple):
    ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


async def make_document_tasks(deps: GenerateDeps, task: Task, documents: dict[str, File]) -> DocumentTasks:
    """Write each document into the bundle's inbox, and return the ids of their tasks, in order."""
    if task.ran is None or not task.ran.snapshot.get("document_recipe") or not (documents or task.children):
        return DocumentTasks()
    if refusal := _refusal(deps, task):
        return DocumentTasks(warnings=(f"The documents became no tasks of their own: {refusal}.",))
    names = {ending: document_name(task, ending) for ending in documents}
    too_long = [ending for ending, name in names.items() if name is None]
    warnings = tuple(f"{ending} became no task of its own: its name in the inbox is too long." for ending in too_long)
    if task.children:
        return DocumentTasks(task.children, warnings)
    known = await _known_tasks(deps, task, len(names))
    writes = (_task_of(deps, task, name, documents[ending], known) for ending, name in names.items() if name)
    # All are awaited before an error leaves: none is still being written when the next try begins.
    made = await asyncio.gather(*writes, return_exceptions=True)
    ids: list[str] = []
    for result in made:
        if isinstance(result, BaseException):
            raise result
        ids += [result] if result is not None else []
    await _note(deps, task, tuple(ids))
    return DocumentTasks(tuple(ids), warnings)


def _refusal(deps: GenerateDeps, task: Task) -> str | None:
    """Return why documents of this task become no tasks, or None."""
    bucket = task.source.bucket
    if parent_of(task.source) is not None:
        return "the file is itself a document of a bundle"
    inbox = deps.settings.inboxes.get(bucket)
    if inbox is None or task.owner != f"inbox:{bucket}":
        # They would be paid for by the inbox, whoever pays for this task.
        return "only the inbox that a bundle was dropped into may pay for them"
    if not inbox.documents:
        return f"the inbox {bucket} is not set to take them (`documents = true`)"
    return None


async def _note(deps: GenerateDeps, task: Task, ids: tuple[str, ...]) -> None:
    """Note on the bundle's task which tasks its documents have become."""

    def noted(current: Task) -> Task:
        return current if current.children or not ids else current.model_copy(update={"children": ids})

    if (stored := await deps.tasks.get(task.id)) is not None:
        await deps.tasks.change(stored, noted)


async def _known_tasks(deps: GenerateDeps, task: Task, count: int) -> dict[str, str]:
    """Return the ids of the tasks that an earlier try has made, by the names of their documents."""
    made = await deps.tasks.page([task.owner], prefix=f"{task.source.uri}.documents/{task.id}/", limit=count)
    return {document.source.name: document.id for document in made}


async def _task_of(deps: GenerateDeps, task: Task, name: str, file: File, known: dict[str, str]) -> str | None:
    if name in known:
        return known[name]
    bucket, mark = task.source.bucket, {"dropsight-task": task.id}
    await deps.storage.write(bucket, name, file.data, file.content_type, only_if_absent=True, metadata=mark)
    stored = await deps.storage.stat(bucket, name)
    # Deleted already by whoever clears the inbox: its event made the task all the same.
    return None if stored is None else derive_id(bucket, name, stored.generation, stored.created_at)
