"""Resolve a request into a recipe and the conversation for the model.

    Submission ─▶ `resolve_recipe` ─▶ ResolvedRequest ─▶ `wire.body`

The recipe fills in what the request leaves out; a request that names none gets an anonymous one. The
request's `metadata` stands for an object's custom metadata: values of placeholders in prompts (`find`), and
`dropsight-range` and `dropsight-outputs`, for which a request has no field.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple, get_args
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from shared.domain.media import Family, kind_of_name
from shared.domain.recipe.definition import TRANSCRIBE_PROMPT, Recipe, RecipeQuestion
from shared.domain.recipe.making import made_metadata_keys
from shared.domain.recipe.matching import PREFIX, Dropped
from shared.domain.recipe.placeholders import Missing, fill
from shared.domain.request.inputs import Inline, Input, Remote, StoredInput, inputs_of
from shared.domain.request.messages import AudioPart, Message, TextPart, Where
from shared.domain.request.options import JsonObjectAnswer, TextAnswer
from shared.domain.request.overrides import (
    CACHED_CONTENT,
    dropsight_metadata,
    find_recipe,
    invalid_field,
    overrides_of,
    refuse_incomplete,
    refuse_unmakeable,
    request_field,
    with_overrides,
)
from shared.domain.request.schema import Submission

_ANONYMOUS = Recipe(name="request", takes=get_args(Family))
_METADATA_KEYS = {"range", "outputs"}
"""The `dropsight-` keys that the metadata of a request may have, if it names a recipe."""


class ResolvedRequest(NamedTuple):
    submission: Submission
    """The request as it was sent."""
    inputs: list[Input]
    recipe: Recipe
    """The recipe with the request's settings. Its prompt and system instruction have moved into the conversation."""
    messages: Sequence[Message]
    system: str
    warnings: tuple[str, ...] = ()

    @property
    def question(self) -> RecipeQuestion:
        recipe_question = self.recipe.questions[0]
        return recipe_question.model_copy(update={"response_schema": None}) if self.takes_any_json else recipe_question

    @property
    def instructions(self) -> str:
        """Return the system prompt, and the texts of system and developer messages."""
        of_messages = (message.text for message in self.messages if message.role in ("system", "developer"))
        return "\n\n".join(text for text in (self.system, *of_messages) if text)

    @property
    def takes_any_json(self) -> bool:
        """Whether any JSON will do, without a check: `json_object` in a request that names no recipe."""
        return self.submission.recipe is None and isinstance(self.submission.response_format, JsonObjectAnswer)


def resolve_recipe(submission: Submission, today: date | None = None) -> ResolvedRequest:
    """Return the request with its recipe applied. Raises `RequestRefused`.

    Refuses a recipe that does not exist, lacks a required setting, or is for other kinds of files.
    """
    inputs = inputs_of(submission)
    has_question = _has_question(submission)
    fields = {name for name in submission.model_fields_set if getattr(submission, name) is not None}
    keys = set(dropsight_metadata(submission))
    if submission.recipe is None:
        base, ignored, by = _ANONYMOUS, keys & _METADATA_KEYS, "a request that names no recipe"
        changes = overrides_of(base, submission, fields - {"metadata"}, today)
        changes |= _defaults(submission, structured=changes.get("response_schema") is not None)
    else:
        base, ignored, by = find_recipe(submission.recipe), keys - _METADATA_KEYS - {"find"}, "a request"
        ignored = ignored - {key.replace("_", "-") for key in made_metadata_keys(base)}
        changes = overrides_of(base, submission, fields, today)
        changes |= {"prompt": ""} if has_question or submission.prompt is not None else {}
    recipe = with_overrides(base, submission, changes)
    given = {*(["prompt"] if has_question else []), *(["with"] if len(inputs) > 1 else [])}
    by_capability = {"file_search": submission.index, "caching": submission.google.cached_content}
    requires = (*recipe.requires, *(capability for capability, name in by_capability.items() if name is not None))
    needs = tuple(need for need in recipe.needs if need not in given)
    recipe = recipe.model_copy(update={"needs": needs, "requires": requires})
    refuse_incomplete(recipe)
    _refuse_evidence(recipe, submission)
    _refuse_several_answers(recipe, submission)
    _refuse_searching(submission)
    _refuse_with_cache(recipe, submission, inputs)
    _refuse_transcription(recipe, submission, inputs)
    _refuse_chat(recipe, submission, inputs)
    _refuse_files(recipe, inputs)
    dropped = _as_dropped(submission, inputs, recipe)
    prompt, system = (
        own if own is not None else _fill(text, dropped, recipe)
        for own, text in ((submission.prompt, recipe.prompt), (submission.system_prompt, recipe.system or ""))
    )
    return ResolvedRequest(
        submission,
        inputs,
        recipe.model_copy(update={"prompt": "", "system": None}),
        _conversation(submission, prompt),
        system,
        tuple(f"The metadata {PREFIX}{key} was ignored: it is not heard of {by}." for key in sorted(ignored)),
    )


def _defaults(submission: Submission, *, structured: bool) -> dict[str, JsonValue]:
    """Return the defaults of a request that names no recipe: to transcribe its recording."""
    transcribes = submission.audio_url is not None and submission.prompt in (None, TRANSCRIBE_PROMPT)
    return {
        "prompt": "" if submission.audio_url is None else TRANSCRIBE_PROMPT,
        "transcript": transcribes and submission.response_format is None,
        "outputs": ["json" if structured else "md"],
    }


def _refuse_evidence(recipe: Recipe, submission: Submission) -> None:
    """Raise if evidence is requested for an answer that cannot have any."""
    if not recipe.evidence:
        return
    any_json = submission.recipe is None and isinstance(submission.response_format, JsonObjectAnswer)
    if recipe.response_schema is None or any_json:
        needed = "give a response_format of the type json_schema"
        raise invalid_field("evidence", f"evidence is given for answers by a schema: {needed}")
    if submission.stream:
        raise invalid_field("evidence", "the quotes are looked up in the whole answer: leave out stream")


def _refuse_several_answers(recipe: Recipe, submission: Submission) -> None:
    """Raise if several answers are requested from a recipe that gives one: it makes files, or does not sample."""
    if (submission.n or 1) == 1:
        return
    if submission.recipe is not None:
        raise invalid_field("n", f"the recipe {recipe.name} gives one answer, of which files are made: leave out n")
    if recipe.evidence:
        raise invalid_field("n", "quotes are looked up for one answer: leave out n, or evidence")
    if recipe.transcription is not None:
        raise invalid_field("n", f"{recipe.model} transcribes a recording once: leave out n")


def _refuse_searching(submission: Submission) -> None:
    """Raise for settings that an answer from an index cannot have: its citations are checked once it is complete."""
    if submission.index is None:
        return
    if submission.stream:
        raise invalid_field("stream", "the citations of an index are checked in the whole answer: leave out stream")
    if submission.tools:
        raise invalid_field("tools", "an index is searched without functions beside: leave out tools or index")
    if submission.response_format is not None and not isinstance(submission.response_format, TextAnswer):
        raise invalid_field("response_format", "answers from an index are text with citations: leave it out")


def _refuse_with_cache(recipe: Recipe, submission: Submission, inputs: Sequence[Input]) -> None:
    """Raise for what a request that names a context cache cannot have: the service takes it from the cache only."""
    if submission.google.cached_content is None:
        return
    if recipe.makes is not None:
        raise invalid_field(CACHED_CONTENT, f"{recipe.name} takes a text, and no cache: leave it out")
    if submission.index is not None:
        raise invalid_field(
            "index", "an index is searched by a tool, which a cache holds itself: leave out one of them"
        )
    if submission.tools:
        raise invalid_field("tools", "a cache holds the tools itself: leave them out here")
    if submission.system_prompt:
        raise invalid_field("system_prompt", "a cache holds the system instruction itself: leave it out here")
    if recipe.evidence and not inputs:
        raise invalid_field("evidence", "quotes are looked up in files of the request, not in a cache: name a file")
    for number, message in enumerate(submission.messages or ()):
        if message.role in ("system", "developer") and message.text.strip():
            raise invalid_field(f"messages.{number}", "a cache holds the system instruction itself: leave it out here")


def _refuse_transcription(recipe: Recipe, submission: Submission, inputs: Sequence[Input]) -> None:
    """Raise if a transcribing model is asked for anything but the transcript of one recording."""
    if recipe.transcription is None:
        return
    if len(inputs) != 1:
        raise invalid_field("messages", f"one recording is transcribed at a time; the request has {len(inputs)} files")
    if submission.stream and recipe.transcription.is_limited:
        raise invalid_field("stream", "times of words are written once the whole answer is there: leave out stream")


def _refuse_chat(recipe: Recipe, submission: Submission, inputs: Sequence[Input]) -> None:
    """Raise for a conversation, a stream or files that a recipe for speech, vectors or pictures cannot use."""
    if recipe.makes is None:
        return
    if submission.stream:
        raise invalid_field("stream", f"what {recipe.name} makes comes as a whole: leave out stream")
    messages = submission.messages or []
    if any(message.role in ("assistant", "tool") for message in messages):
        raise invalid_field(
            "messages", f"{recipe.name} takes one text, no conversation: send messages of the user only"
        )
    if submission.system_prompt and recipe.makes != "speech":
        raise invalid_field("system_prompt", f"{recipe.name} takes none")
    has_system_message = any(message.role in ("system", "developer") and message.text.strip() for message in messages)
    if has_system_message and recipe.makes != "speech":
        raise invalid_field("messages", f"{recipe.name} takes no system message: send messages of the user only")
    if recipe.makes == "picture":
        return
    has_words = _has_question(submission)
    if len(inputs) + has_words != 1:
        raise invalid_field("messages", f"{recipe.name} takes one text: words, or one file with none")
    if inputs and isinstance(inputs[0], Remote):
        raise invalid_field(
            inputs[0].param, f"{recipe.name} takes files of buckets, and data in the request: put it there"
        )


def _refuse_files(recipe: Recipe, inputs: Sequence[Input]) -> None:
    """Check the files by their names and declared types; their content is checked in generate."""
    for file in inputs:
        if file.declared_family is not None and file.declared_family not in recipe.takes:
            takes = " or ".join(recipe.takes)
            raise invalid_field(file.param, f"the recipe {recipe.name} takes {takes}, this is {file.declared_family}")
    if not inputs and "text" not in recipe.takes:
        raise invalid_field("recipe", f"{recipe.name} takes {' or '.join(recipe.takes)}; the request has no file")
    if not inputs and recipe.range is not None:
        raise invalid_field(request_field("range"), "a range is a part of audio or video; the request has no file")
    if "png" in recipe.outputs and recipe.makes is None and len(inputs) > 1:
        raise invalid_field("recipe", f"{recipe.name} is drawn on one image; the request has {len(inputs)} files")
    refuse_unmakeable(recipe, [file.declared_family for file in inputs if file.declared_family is not None])


def _has_question(submission: Submission) -> bool:
    """Return whether the request asks a question of its own."""
    if submission.messages is None:
        return bool(submission.prompt and submission.prompt.strip())
    return any(message.role == "user" and message.text.strip() for message in submission.messages)


def _conversation(submission: Submission, prompt: str) -> Sequence[Message]:
    """Return the conversation, with the prompt appended to the user's last message."""
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


def _as_dropped(submission: Submission, inputs: Sequence[Input], recipe: Recipe) -> Dropped:
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


def _fill(text: str, dropped: Dropped, recipe: Recipe) -> str:
    try:
        return fill(text, dropped, recipe.range)
    except Missing as error:
        raise invalid_field("metadata", str(error)) from error
