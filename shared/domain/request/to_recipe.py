"""Combine a request with the recipe that it names: the recipe fills in what the request leaves out.

    Submission ─▶ `resolve_recipe` ─▶ the request with the recipe's words in it, and the recipe with the request's

Of the two, the one says what is shown to the model, the other how it is asked and what becomes of its answer. An
object's custom metadata has its place in the request's `metadata`: what a prompt asks for (`find`), and
`dropsight-range` and `dropsight-outputs`, for which a request has no field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shared.domain.errors import RequestRefused
from shared.domain.media import Facts, Family, kind_of_name
from shared.domain.recipe import PREFIX, TRANSCRIBE_PROMPT, Dropped, Missing, Recipe, fill, misfits, output_flaws
from shared.domain.request.fitness import family_of
from shared.domain.request.inputs import Inline, Input, Remote, StoredInput, inputs_of
from shared.domain.request.messages import Message, TextPart
from shared.domain.request.options import JsonSchemaAnswer
from shared.domain.request.overrides import (
    named,
    refuse_incomplete,
    refuse_unmakeable,
    said_by,
    wishes_of,
    with_overrides,
    wrong,
)
from shared.domain.request.schema import Submission

_HEARD = ("range", "outputs")
"""Wishes that a request's metadata may contain."""


class ResolvedRequest(NamedTuple):
    submission: Submission
    recipe: Recipe | None
    """None if the request names none."""
    warnings: tuple[str, ...] = ()


def completed(submission: Submission, today: date | None = None) -> Submission:
    """Return the request completed by its recipe. Raises `RequestRefused` for what the recipe cannot do."""
    return resolve_recipe(submission, today).submission


def resolve_recipe(submission: Submission, today: date | None = None) -> ResolvedRequest:
    """Raises `RequestRefused` for a recipe that is not there, lacks what it needs, or is for other files or models."""
    if submission.recipe is None:
        unheard = sorted(set(wishes_of(submission)).intersection(_HEARD))
        return ResolvedRequest(
            submission, None, tuple(_unheard(wish, "a request that names no recipe") for wish in unheard)
        )
    inputs = inputs_of(submission)
    said = _own_words(submission)
    given = {name for name in submission.model_fields_set if getattr(submission, name) is not None}
    recipe = with_overrides(named(submission.recipe), submission, given, today)
    if said:
        # Another question's answer is not to be measured by the recording.
        recipe = recipe.model_copy(update={"transcript": False})
    met = {*(["prompt"] if said else []), *(["with"] if len(inputs) > 1 else [])}
    recipe = recipe.model_copy(update={"needs": tuple(need for need in recipe.needs if need not in met)})
    refuse_incomplete(recipe)
    _refuse_files(recipe, inputs, today)
    about = _about(submission, inputs, recipe)
    recipe = recipe.model_copy(update={"system": _filled(recipe.system, about, recipe)})
    question = recipe.asked[0]
    changes: dict[str, object] = {"system_prompt": recipe.system, "max_tokens": recipe.parameters.max_tokens}
    if recipe.media_resolution != "ultra_high":
        changes["media_resolution"] = recipe.media_resolution
    if question.response_schema is not None and submission.response_format is None:
        form = {"type": "json_schema", "json_schema": {"schema": question.response_schema}}
        changes["response_format"] = JsonSchemaAnswer.model_validate(form)
    if submission.messages is None:
        changes["prompt"] = _filled(question.prompt, about, recipe)
    elif not said:
        changes["messages"] = _asking(submission.messages, _filled(question.prompt, about, recipe) or "")
    ignored = sorted(set(wishes_of(submission)) - {*_HEARD, "find"})
    return ResolvedRequest(
        submission.model_copy(update=changes), recipe, tuple(_unheard(wish, "a request") for wish in ignored)
    )


def renders_a_recording(submission: Submission) -> bool:
    """Whether a request that names no recipe asks for a transcript, as it does where it says nothing."""
    by_default = submission.recipe is None and submission.response_format is None
    return by_default and submission.audio_url is not None and submission.prompt in (None, TRANSCRIBE_PROMPT)


def file_misfit(recipe: Recipe, param: str, facts: Facts, *, alone: bool) -> str | None:
    """Return why an examined file does not fit the request's recipe, or None. `alone`: it is the only file."""
    family = facts.media_type.family
    if family not in recipe.takes:
        return f"{param}: the recipe {recipe.name} takes {' or '.join(recipe.takes)}; this is {facts.media_type.label}."
    for question in recipe.asked:
        for flaw in output_flaws(recipe, question, [family]):
            return f"{said_by('outputs')}: {flaw}; {param} is {facts.media_type.label}."
    if recipe.range is None:
        return None
    if alone and family not in ("audio", "video"):
        return f"{said_by('range')}: a range is a part of audio or video; {param} is {facts.media_type.label}."
    missed = recipe.range.missed(facts.duration)
    return f"{said_by('range')}: {missed} ({param})." if missed else None


def _refuse_files(recipe: Recipe, inputs: Sequence[Input], today: date | None) -> None:
    """Check the files by their names and declared types; their content is checked in generate."""
    known: list[Family] = []
    for each in inputs:
        family = family_of(each)
        if family is not None and family not in recipe.takes:
            raise wrong(each.param, f"the recipe {recipe.name} takes {' or '.join(recipe.takes)}, this is {family}")
        known += [family] if family else []
    if not inputs and "text" not in recipe.takes:
        raise wrong("recipe", f"{recipe.name} takes {' or '.join(recipe.takes)}; the request has no file")
    if "png" in recipe.outputs and len(inputs) > 1:
        raise wrong("recipe", f"{recipe.name} is drawn on one image; the request has {len(inputs)} files")
    refuse_unmakeable(recipe, known)
    for flaw in misfits(recipe, known if len(known) == len(inputs) else recipe.takes, today):
        code = {"model_not_found": "no_available_model"}.get(flaw.code, flaw.code)
        message = flaw.message if flaw.code != "invalid_param" else f"{said_by(flaw.field)}: {flaw.message}"
        raise RequestRefused(422, "invalid_request_error", code, message, param=said_by(flaw.field))


def _own_words(submission: Submission) -> bool:
    """Whether the request asks a question of its own."""
    if submission.messages is None:
        return bool(submission.prompt and submission.prompt.strip())
    return any(
        isinstance(part, TextPart) and part.text.strip()
        for message in submission.messages
        if message.role == "user"
        for part in message.parts
    )


def _asking(messages: Sequence[Message], prompt: str) -> list[Message]:
    """Return the messages with the prompt appended to the last one of the user."""
    asked = TextPart(type="text", text=prompt)
    for index in range(len(messages) - 1, -1, -1):
        last = messages[index]
        if last.role == "user":
            extended = last.model_copy(update={"content": [*last.parts, asked]})
            return [*messages[:index], extended, *messages[index + 1 :]]
    return [*messages, Message(role="user", content=[asked])]


def _about(submission: Submission, inputs: Sequence[Input], recipe: Recipe) -> Dropped:
    """Return the request as a dropped object: its first input, with the request's metadata."""
    first = inputs[0] if inputs else None
    bucket = first.bucket if isinstance(first, StoredInput) else ""
    match first:
        case StoredInput():
            name = first.name
        case Remote():
            name = unquote(urlsplit(first.url).path.rpartition("/")[2])
        case _:
            name = ""
    kind = kind_of_name(name)
    mime = first.mime if isinstance(first, Inline) else kind.mime if kind else ""
    family = (family_of(first) if first else None) or recipe.takes[0]
    return Dropped(bucket=bucket, name=name, family=family, mime=mime, metadata=submission.metadata or {})


def _filled(text: str | None, about: Dropped, recipe: Recipe) -> str | None:
    if text is None:
        return None
    try:
        return fill(text, about, recipe.range)
    except Missing as error:
        raise wrong("metadata", str(error)) from error


def _unheard(wish: str, by: str) -> str:
    return f"The metadata {PREFIX}{wish} was ignored: it is not heard of {by}."
