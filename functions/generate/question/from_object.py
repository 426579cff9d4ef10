"""Build the questions of a dropped object: choose its recipe, examine and upload its files.

All checks that need no model are made before anything is uploaded.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import NamedTuple

from pydantic import ValidationError

from functions.generate.lease import Lease
from functions.generate.model.call import model_notices, refuse_if_throttled, require_model
from functions.generate.model.context_cache import cacheable
from functions.generate.model.spending import media_tokens
from functions.generate.question.model_checks import count_tokens_if_nearly_full, known_model, refuse_if_too_long
from functions.generate.question.parts import ExaminedObject, UploadPart, identities, parts_of_object
from functions.generate.question.split import AskedInParts, RecipeQuestions, SplitObject, without_evidence
from functions.generate.question.upload import (
    examine_object,
    file_warnings,
    readable_object,
    require_live_object,
    upload_part,
    wait_until_active,
)
from shared.cloud.object_stream import SMALL_BYTES, SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import Facts
from shared.domain.models.catalogue import Model, find_model, ignored_parameters
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import misfits, shown_part
from shared.domain.recipe.making import method_of
from shared.domain.recipe.matching import Dropped, choose
from shared.domain.recipe.object_metadata import apply_metadata
from shared.domain.recipe.placeholders import Missing, fill
from shared.domain.recipe.question import About, Question
from shared.domain.recipe.wire import PreparedFile, request
from shared.domain.splitting.plan import is_split
from shared.domain.tasks.bundle_documents import is_document_of, parent_of
from shared.domain.tasks.task import GeminiFile, Ran, Task
from shared.examiner import Threaded


class _Prepared(NamedTuple):
    parts: list[ExaminedObject]
    sent: list[list[UploadPart]]
    """What is sent of each part."""
    files: list[GeminiFile]
    """The uploaded files."""
    shown: list[Facts]


async def questions_of_object(
    deps: GenerateDeps, lease: Lease, ran: Ran | None = None, *, was_split: bool | None = None
) -> tuple[Question, ...] | AskedInParts:
    """Return the recipe's questions, or the split object if it is too long for one call or its rows are counted.

    `ran` is the recipe snapshot of an earlier claim or of a rerun, if any. `was_split`: whether an earlier claim asked
    about parts; None if none has asked.
    """
    source = lease.task.source
    try:
        stored = await readable_object(deps, source, lease.stop)
        first = ExaminedObject(stored, await examine_object(deps, stored, divisible=True))
        dropped = _as_dropped(first)
        if ran is None:
            recipe, ran, warnings = await _choose_recipe(deps, lease.task, dropped)
        else:
            recipe, warnings = _recipe_that_ran(ran), ()
        lease.ran = ran
        prompts = [_fill(question.prompt, dropped, recipe) for question in recipe.questions]
        filled = recipe.model_copy(update={"system": recipe.system and _fill(recipe.system, dropped, recipe)})
        parts = [first, *[await _find_companion(deps, lease.task, name) for name in recipe.companions]]
        visible_parts = [shown_part(recipe, part.facts) for part in parts]
        today = deps.clock.now().date()
        splitting = is_split(recipe, first.facts, find_model(recipe.model, today))
        _refuse_misfits(recipe, [part.facts for part in parts], visible_parts, today, splitting=splitting)
        lease.model = recipe.model
        await refuse_if_throttled(deps, recipe.model)
        await require_model(deps, recipe.model, method=method_of(recipe.makes))
        model = await known_model(deps, recipe.model)
        ignored = ignored_parameters(model, recipe.parameters) if model else None
        noticed = (*warnings, *model_notices(deps, recipe.model), *([ignored] if ignored else []))
        # What an earlier claim found stays: a page may not be readable in time twice.
        is_open = not splitting and was_split is None
        pictures = await _pages_to_count(deps, recipe, first) if is_open else frozenset[int]()
        is_made_of_text = recipe.makes in ("speech", "embedding")
        if splitting or pictures or (was_split and not is_made_of_text):
            noticed = (*noticed, *_remarks(first, [], of_source=True), *without_evidence(filled))
            filled = filled.model_copy(update={"evidence": False})
            written = RecipeQuestions(lambda prompt, range_: fill(prompt, dropped, range_), today)
            still_there = partial(require_live_object, deps, source)
            split = SplitObject(deps, lease, stored, first.facts, filled, written, still_there, ran, model, noticed)
            split.pictures = pictures or None
            return split
        sent = [await parts_of_object(deps, lease, part.stored, part.facts) for part in parts]
        if is_made_of_text:
            return await _made_text(deps, lease, filled, ran, prompts[0], first, sent[0], model, noticed)
        visible_parts = [shown_part(recipe, file.facts) for files_of_part in sent for file in files_of_part]
        refuse_if_too_long(visible_parts, model, recipe.media_resolution)
        uploaded = await _upload(deps, lease, parts, sent)
        files = [await wait_until_active(deps, lease, file) for file in uploaded]
        lease.progress = 50
        if not _was_uploaded_at_once(parts, uploaded):
            await require_live_object(deps, source)
    except SourceVanished as error:
        await require_live_object(deps, source)
        raise TransientFailure("the object could not be read") from error
    prepared = _Prepared(parts, sent, files, visible_parts)
    questions = tuple(_questions(filled, ran, prompts, prepared, noticed, today, streamed=lease.task.stream))
    await count_tokens_if_nearly_full(deps, model, questions[0].body, visible_parts, recipe.media_resolution)
    return questions


def _was_uploaded_at_once(parts: list[ExaminedObject], uploaded: list[GeminiFile]) -> bool:
    """Return whether so little time has passed since the object was looked up that it need not be looked up again."""
    return all(part.stored.size <= SMALL_BYTES for part in parts) and all(file.active for file in uploaded)


async def _pages_to_count(deps: GenerateDeps, recipe: Recipe, first: ExaminedObject) -> frozenset[int]:
    """Return the pages without text, if the model has to count the rows: most pages are pictures. Companions are not
    counted.

    One page without text, such as a cover, is not worth another call and the loss of evidence.
    """
    kind = first.facts.media_type
    if not recipe.count_rows or recipe.companions or kind.preparation is not None:
        return frozenset()
    if kind.family == "image":
        return frozenset((1,))
    if kind.family != "pdf":
        return frozenset()
    source = Threaded(deps.storage.ranges(first.stored, b""), deps.storage.in_thread)
    without_text = frozenset(await deps.examiner.pages_without_text(source))
    return without_text if 2 * len(without_text) > (first.facts.pages or 1) else frozenset()


async def _made_text(
    deps: GenerateDeps,
    lease: Lease,
    recipe: Recipe,
    ran: Ran,
    prompt: str,
    first: ExaminedObject,
    sent: list[UploadPart],
    model: Model | None,
    noticed: tuple[str, ...],
) -> AskedInParts:
    # Loaded where it is used: most instances never make anything but words.
    from functions.generate.question.made_text import MadeText, read_text, refuse_unspeakable

    refuse_unspeakable(recipe, first.facts)
    text, remarks, shown = await read_text(deps, recipe, sent, model)
    noticed = (*noticed, *_remarks(first, sent, of_source=True), *remarks)
    spoken = recipe.model_copy(update={"prompt": prompt})
    return MadeText(deps, lease, text, spoken, ran, model, noticed, sources=(first.stored.identity,), shown=shown)


async def _upload(
    deps: GenerateDeps, lease: Lease, parts: list[ExaminedObject], sent: list[list[UploadPart]]
) -> list[GeminiFile]:
    """Upload the files and free their bytes. The files may not be ACTIVE yet."""
    files: list[GeminiFile] = []
    for part, files_of_part in zip(parts, sent, strict=True):
        for at, file in enumerate(files_of_part):
            identity = part.stored.identity
            files.append(await upload_part(deps, lease, file, index=len(files), source=identity))
            files_of_part[at] = file.without_bytes()
    return files


async def _choose_recipe(deps: GenerateDeps, task: Task, dropped: Dropped) -> tuple[Recipe, Ran, tuple[str, ...]]:
    """Choose the object's recipe and apply its metadata; return it with its snapshot and warnings."""
    book = await deps.recipes.book(deps.settings.inboxes[task.source.bucket].recipes)
    name = await _document_recipe(deps, task)
    first = choose(book.recipes, dropped) if name is None else book.named(name)
    if first is None:
        message = f"The recipe of the file's bundle has document_recipe = {name!r}, and no recipe is named so any more."
        raise PermanentFailure("invalid_param", message)
    try:
        granted = apply_metadata(book.recipes, first, dropped)
    except (ValueError, RecursionError, OverflowError) as error:
        message = f"The metadata of {task.source.uri} cannot be read: {type(error).__name__}. Write it anew."
        raise PermanentFailure("invalid_param", message) from error
    return granted.recipe, granted.recipe.ran(book.origin(granted.recipe)), granted.warnings


async def _document_recipe(deps: GenerateDeps, task: Task) -> str | None:
    """Return the recipe that a bundle's recipe names for its documents, if the object is such a document; else None."""
    parent = parent_of(task.source)
    bundle = await deps.tasks.get(parent) if parent is not None else None
    if bundle is None or bundle.task.ran is None or not is_document_of(task.source, bundle.task):
        return None
    name = bundle.task.ran.snapshot.get("document_recipe")
    return name if isinstance(name, str) else None


def _recipe_that_ran(ran: Ran) -> Recipe:
    try:
        return Recipe.model_validate(ran.snapshot)
    except ValidationError as error:
        # An earlier version made the task, and accepted more.
        first = error.errors()[0]
        message = f"The recipe {ran.recipe}, as it was when the task was made, is not taken any more: {first['msg']}."
        raise PermanentFailure("invalid_param", message) from error


def _fill(prompt: str, dropped: Dropped, recipe: Recipe) -> str:
    try:
        return fill(prompt, dropped, recipe.range)
    except Missing as error:
        raise PermanentFailure("invalid_param", f"Recipe {recipe.name}: {error}.") from error


async def _find_companion(deps: GenerateDeps, task: Task, name: str) -> ExaminedObject:
    """Find and examine another object of the same inbox. Raises `PermanentFailure` if it is missing."""
    bucket = task.source.bucket
    stored = await deps.storage.stat(bucket, name)
    if stored is None or not name.startswith(deps.settings.inboxes[bucket].prefixes):
        raise PermanentFailure("source_gone", f"gs://{bucket}/{name}, which is to be sent along, is not there.")
    try:
        stored = await deps.storage.readable(stored)
        return ExaminedObject(stored, await examine_object(deps, stored))
    except PermanentFailure as failure:
        raise PermanentFailure(failure.code, f"gs://{bucket}/{name}: {failure.message}") from failure


def _refuse_misfits(
    recipe: Recipe, files: list[Facts], visible_parts: list[Facts], today: date, *, splitting: bool
) -> None:
    """Raise `PermanentFailure` if the recipe, the model or the model's window does not fit the files."""
    first = files[0].media_type
    if first.family not in recipe.takes:
        # A rerun's recipe was chosen without reading the file.
        message = f"Recipe {recipe.name} takes {' or '.join(recipe.takes)}; this is {first.label}."
        raise PermanentFailure("invalid_param", message)
    for misfit in misfits(recipe, [facts.media_type.family for facts in files], today):
        raise PermanentFailure(misfit.code, misfit.message)
    for facts in files:
        if recipe.range is not None and (missed := recipe.range.missed(facts.duration)):
            raise PermanentFailure("invalid_param", f"There is nothing to ask about: {missed}.")
    if splitting:
        return
    media.check(files[0])
    if recipe.makes != "embedding":
        # Vectors are made of a file's text window by window, and of its pages one by one.
        refuse_if_too_long(visible_parts, find_model(recipe.model, today), recipe.media_resolution)


def _questions(
    recipe: Recipe,
    ran: Ran,
    prompts: list[str],
    prepared: _Prepared,
    noticed: tuple[str, ...],
    today: date,
    *,
    streamed: bool,
) -> list[Question]:
    parts, files = prepared.parts, [PreparedFile(file.mime_type, file.uri) for file in prepared.files]
    remarks = (
        remark
        for part, sent in zip(parts, prepared.sent, strict=True)
        for remark in _remarks(part, sent, of_source=part is parts[0])
    )
    about = About(
        transcript=recipe.transcript,
        duration=parts[0].facts.duration,
        range=recipe.range,
        warnings=(*noticed, *remarks),
    )
    return [
        Question(
            model=recipe.model,
            body=request(recipe, question, prompt, files, today),
            ran=ran,
            reasoning=recipe.thinking is not None and recipe.thinking.include,
            name=question.name,
            response_schema=question.asked_schema,
            # What readers were told cannot be taken back, nor said again.
            continuations=0 if streamed else recipe.most_continuations,
            max_tokens=recipe.parameters.max_tokens,
            repairs=0 if streamed else 1,
            cacheable=cacheable(find_model(recipe.model, today), prepared.shown, recipe.media_resolution),
            sources=_sources(prepared),
            about=about.model_copy(update={"evidence": question.evidence}),
            media=media_tokens(prepared.shown, find_model(recipe.model, today), recipe.media_resolution),
            makes=recipe.makes,
        )
        for question, prompt in zip(recipe.questions, prompts, strict=True)
    ]


def _sources(prepared: _Prepared) -> tuple[str, ...]:
    pairs = zip(prepared.parts, prepared.sent, strict=True)
    return tuple(name for part, sent in pairs for name in identities(part.stored.identity, sent))


def _as_dropped(part: ExaminedObject) -> Dropped:
    stored, kind = part.stored, part.facts.media_type
    return Dropped(
        bucket=stored.bucket,
        name=stored.name,
        size=stored.size,
        family=kind.family,
        mime=kind.mime,
        created_at=stored.created_at,
        metadata=stored.metadata,
    )


def _remarks(part: ExaminedObject, sent: list[UploadPart], *, of_source: bool) -> list[str]:
    remarks = [*file_warnings(part.facts), *(note for file in sent for note in file.notes)]
    return [remark if of_source else f"{part.stored.name}: {remark}" for remark in remarks]
