"""Resolve a request into a recipe, which says how to ask, and the conversation that the model is shown.

    Submission ─▶ `resolve_recipe` ─▶ ResolvedRequest ─▶ `wire.body`

The recipe fills in what the request leaves out; a request that names none gets an anonymous one. An object's custom
metadata has its place in the request's `metadata`: what a prompt asks for (`find`), and `dropsight-range` and
`dropsight-outputs`, for which a request has no field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, get_args
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from shared.domain.media import Family, kind_of_name
from shared.domain.recipe import PREFIX, TRANSCRIBE_PROMPT, Dropped, Missing, Recipe, fill
from shared.domain.request.inputs import Inline, Input, Remote, StoredInput, inputs_of
from shared.domain.request.messages import AudioPart, Message, TextPart, Where
from shared.domain.request.options import JsonObjectAnswer
from shared.domain.request.overrides import (
    built_in_recipe,
    refuse_incomplete,
    refuse_unmakeable,
    request_field,
    settings_of,
    wishes_of,
    with_overrides,
    wrong,
)
from shared.domain.request.schema import Submission

_ANONYMOUS = Recipe(name="request", takes=get_args(Family))
_WISHES = {"range", "outputs"}
"""What a request's metadata may wish for, if it names a recipe."""


class ResolvedRequest(NamedTuple):
    submission: Submission
    """The request as it was sent."""
    inputs: list[Input]
    recipe: Recipe
    """With the request's settings. Its own prompt and system instruction have moved into the conversation."""
    messages: Sequence[Message]
    system: str
    warnings: tuple[str, ...] = ()

    @property
    def takes_any_json(self) -> bool:
        """Whether the answer is JSON that is not checked: a `json_object` of a request that names no recipe."""
        return self.submission.recipe is None and isinstance(self.submission.response_format, JsonObjectAnswer)


def resolve_recipe(submission: Submission, today: date | None = None) -> ResolvedRequest:
    """Raises `RequestRefused` for a recipe that is not there, lacks what it needs, or is for other files."""
    inputs = inputs_of(submission)
    has_question = _has_question(submission)
    given = {name for name in submission.model_fields_set if getattr(submission, name) is not None}
    wishes = set(wishes_of(submission))
    if submission.recipe is None:
        base, ignored, by = _ANONYMOUS, wishes & _WISHES, "a request that names no recipe"
        changes = settings_of(base, submission, given - {"metadata"}, today)
        changes |= _defaults(submission, structured=changes.get("response_schema") is not None)
    else:
        base, ignored, by = built_in_recipe(submission.recipe), wishes - _WISHES - {"find"}, "a request"
        changes = settings_of(base, submission, given, today)
        changes |= {"prompt": ""} if has_question or submission.prompt is not None else {}
    recipe = with_overrides(base, submission, changes)
    met = {*(["prompt"] if has_question else []), *(["with"] if len(inputs) > 1 else [])}
    recipe = recipe.model_copy(update={"needs": tuple(need for need in recipe.needs if need not in met)})
    refuse_incomplete(recipe)
    _refuse_files(recipe, inputs)
    about = _about(submission, inputs, recipe)
    prompt, system = (
        given if given is not None else _filled(text, about, recipe)
        for given, text in ((submission.prompt, recipe.prompt), (submission.system_prompt, recipe.system or ""))
    )
    return ResolvedRequest(
        submission,
        inputs,
        recipe.model_copy(update={"prompt": "", "system": None}),
        _messages(submission, prompt),
        system,
        tuple(f"The metadata {PREFIX}{wish} was ignored: it is not heard of {by}." for wish in sorted(ignored)),
    )


def _defaults(submission: Submission, *, structured: bool) -> dict[str, JsonValue]:
    """Return what a request that names no recipe asks for where it says nothing: a transcript of its recording."""
    transcribes = submission.audio_url is not None and submission.prompt in (None, TRANSCRIBE_PROMPT)
    return {
        "prompt": "" if submission.audio_url is None else TRANSCRIBE_PROMPT,
        "transcript": transcribes and submission.response_format is None,
        "outputs": ["json" if structured else "md"],
    }


def _refuse_files(recipe: Recipe, inputs: Sequence[Input]) -> None:
    """Check the files by their names and declared types; their content is checked in generate."""
    for file in inputs:
        if file.declared_family is not None and file.declared_family not in recipe.takes:
            takes = " or ".join(recipe.takes)
            raise wrong(file.param, f"the recipe {recipe.name} takes {takes}, this is {file.declared_family}")
    if not inputs and "text" not in recipe.takes:
        raise wrong("recipe", f"{recipe.name} takes {' or '.join(recipe.takes)}; the request has no file")
    if not inputs and recipe.range is not None:
        raise wrong(request_field("range"), "a range is a part of audio or video; the request has no file")
    if "png" in recipe.outputs and len(inputs) > 1:
        raise wrong("recipe", f"{recipe.name} is drawn on one image; the request has {len(inputs)} files")
    refuse_unmakeable(recipe, [file.declared_family for file in inputs if file.declared_family is not None])


def _has_question(submission: Submission) -> bool:
    """Whether the request asks a question of its own."""
    if submission.messages is None:
        return bool(submission.prompt and submission.prompt.strip())
    return any(message.role == "user" and message.text.strip() for message in submission.messages)


def _messages(submission: Submission, prompt: str) -> Sequence[Message]:
    """Return the conversation, with the prompt appended to what the user said last."""
    if submission.audio_url is not None:
        file = AudioPart(type="audio_url", audio_url=Where(url=submission.audio_url))
        return [Message(role="user", content=[file, TextPart(type="text", text=prompt)])]
    messages = list(submission.messages or [])
    if not prompt:
        return messages
    question = TextPart(type="text", text=prompt)
    for index, message in reversed(list(enumerate(messages))):
        if message.role == "user":
            messages[index] = message.model_copy(update={"content": [*message.parts, question]})
            return messages
    return [*messages, Message(role="user", content=[question])]


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
    family = (first.declared_family if first else None) or recipe.takes[0]
    return Dropped(bucket=bucket, name=name, family=family, mime=mime, metadata=submission.metadata or {})


def _filled(text: str, about: Dropped, recipe: Recipe) -> str:
    try:
        return fill(text, about, recipe.range)
    except Missing as error:
        raise wrong("metadata", str(error)) from error
