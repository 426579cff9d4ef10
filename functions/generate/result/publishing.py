"""Publish the files that a recipe makes of a task's answers, and the task itself, to the results bucket.

Written again without harm: names are the source's, and an older generation's task never overwrites a newer one's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import NamedTuple, cast

from pydantic import JsonValue

from functions.generate.result.bundle import cut_documents
from functions.generate.result.document_tasks import make_document_tasks
from functions.generate.result.source_picture import load_source_picture
from shared.cloud.object_writer import write_pieces
from shared.dependencies import GenerateDeps
from shared.domain import outputs
from shared.domain.answer.citations import pages_of
from shared.domain.answer.code_runs import as_markdown
from shared.domain.answer.response import Json
from shared.domain.outputs import File, Rendered, Source
from shared.domain.recipe.definition import RecipeQuestion
from shared.domain.recipe.snapshot import makes_of, questions_of
from shared.domain.tasks.task import Task
from shared.domain.tasks.view import public
from shared.off_loop import off_loop
from shared.results import load_results
from shared.transfer_slots import AFTER_WORK_SECONDS

_LONGEST_STEM = 1024 - 80
"""Bytes: what Cloud Storage takes as a name (https://cloud.google.com/storage/docs/objects#naming), less the longest
ending."""


class Published(NamedTuple):
    uris: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Files that could not be made, as sentences."""
    children: tuple[str, ...] = ()
    """Ids of the tasks of documents that were cut out."""


class _AnswerFiles(NamedTuple):
    rendered: Rendered
    documents: dict[str, File]
    """Those of its files that were cut out of the source."""


async def publish(deps: GenerateDeps, task: Task) -> Published:
    results = await load_results(deps.storage, deps.settings.results_bucket, task)
    files: dict[str, File] = {}
    documents: dict[str, File] = {}
    warnings: list[str] = []
    makes_words = makes_of(task.ran) is None
    if results and not makes_words:
        files, made_warnings = await _made_files(deps, task)
        warnings += made_warnings
    for question, result in zip(questions_of(task.ran), results or () if makes_words else (), strict=False):
        message = cast(Json, cast(list[Json], result["choices"])[0]["message"])
        if message.get("tool_calls") and not message.get("content"):
            continue
        rendered, cut = await _files_of_answer(deps, task, question, message)
        files |= rendered.files
        documents |= cut
        warnings += rendered.warnings
    stem = _stem(task)
    names = [f"{stem}.{ending}" for ending in (*files, "task.json")]
    uris = tuple(f"gs://{deps.settings.results_bucket}/{name}" for name in names)
    # All are awaited before an error leaves: none is still being written when the next try begins.
    errors = await asyncio.gather(
        *(_write_unless_newer(deps, task, name, file) for name, file in zip(names, files.values(), strict=False)),
        return_exceptions=True,
    )
    for error in errors:
        if error is not None:
            raise error
    handed_over = await make_document_tasks(deps, task, documents)
    warnings += handed_over.warnings
    all_warnings = tuple(dict.fromkeys((*task.warnings, *warnings)))
    shown_task = task.model_copy(update={"outputs": uris, "warnings": all_warnings, "children": handed_over.ids})
    whole = await off_loop(_as_file, shown_task, results)
    await _write_unless_newer(deps, task, names[-1], File(whole, "application/json"))
    return Published(uris, tuple(warnings), handed_over.ids)


async def _made_files(deps: GenerateDeps, task: Task) -> Rendered:
    # Loaded where it is used: most instances never make anything but words.
    from functions.generate.result.made import made_files

    return await made_files(deps, task)


def _stem(task: Task) -> str:
    """Return the source's name; a name that is too long for its ending is cut and gets a digest."""
    stem = f"{task.source.bucket}/{task.source.name}"
    name = stem.encode()
    if len(name) <= _LONGEST_STEM:
        return stem
    mark = "~" + hashlib.sha256(name).hexdigest()[:16]
    return name[: _LONGEST_STEM - len(mark)].decode(errors="ignore") + mark


def _as_file(task: Task, results: tuple[Json, ...] | None) -> bytes:
    return json.dumps(public(task, results), ensure_ascii=False, indent=2).encode()


async def _files_of_answer(deps: GenerateDeps, task: Task, question: RecipeQuestion, message: Json) -> _AnswerFiles:
    text = str(message.get("content") or "")
    structured = None
    if question.response_schema is not None:
        structured = await deps.judge.read(text, question.response_schema)
    value = structured.value if structured else None
    if structured and value is None and structured.problems:
        # JSON was asked for and not held to (`json_object`): better as it is than not at all.
        question = question.model_copy(update={"outputs": ("txt",)})
    source = Source(name=task.source.name)
    if await off_loop(outputs.needs_picture, question, value):
        source = await load_source_picture(deps, task, question, value)
    source = source._replace(pages=tuple(await off_loop(pages_of, message)))
    rendered = await off_loop(_files, question, text, value, source, message)
    if task.ran is None or not task.ran.snapshot.get("cut_documents"):
        return _AnswerFiles(rendered, {})
    async with deps.transfers.slot(most_seconds=AFTER_WORK_SECONDS):
        cut = await cut_documents(deps, task, value)
    whole = Rendered({**rendered.files, **cut.files}, (*rendered.warnings, *cut.warnings))
    return _AnswerFiles(whole, cut.files)


def _files(question: RecipeQuestion, text: str, value: JsonValue, source: Source, message: Json) -> Rendered:
    rendered = outputs.render(question, text, value, source)
    return _without_empty_ones(rendered._replace(files=_with_code(rendered.files, question, message)))


def _without_empty_ones(rendered: Rendered) -> Rendered:
    """Drop empty files: they must not overwrite good ones. Each is a warning."""
    empty = [ending for ending, file in rendered.files.items() if not file.data.strip()]
    files = {ending: file for ending, file in rendered.files.items() if ending not in empty}
    return Rendered(
        files, (*rendered.warnings, *(f"No .{extension} was made: there is nothing to write." for extension in empty))
    )


def _with_code(files: dict[str, File], question: RecipeQuestion, message: Json) -> dict[str, File]:
    """Append the code that the model ran to Markdown files."""
    code, ending = as_markdown(message).encode(), question.ending("md")
    if not code or ending not in files:
        return files
    return {**files, ending: files[ending]._replace(data=files[ending].data.rstrip() + code)}


async def _write_unless_newer(deps: GenerateDeps, task: Task, name: str, file: File) -> None:
    mark = {"dropsight-generation": str(task.source.generation), "dropsight-task": task.id}
    bucket, expected = deps.settings.results_bucket, 0
    while True:
        if file.pieces is not None:
            written = await write_pieces(
                deps.storage,
                bucket,
                name,
                file.pieces(),
                file.content_type,
                if_generation=expected,
                metadata=mark,
                disposition="attachment",
            )
        else:
            written = await deps.storage.write(
                bucket,
                name,
                file.data,
                file.content_type,
                if_generation=expected,
                metadata=mark,
                disposition="attachment",
            )
        if written is not None:
            return
        existing = await deps.storage.stat(bucket, name)
        if existing is not None and int(existing.metadata.get("dropsight-generation", 0)) > task.source.generation:
            return
        expected = 0 if existing is None else existing.generation
