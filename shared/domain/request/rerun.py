"""Rerun a dropped file's task: the recipe that ran, with the fields of the request's body."""

from __future__ import annotations

import json
from datetime import date

from pydantic import ValidationError

from shared.domain.media import kind_of_name
from shared.domain.recipe import DEFAULT_MODEL, Recipe
from shared.domain.request.overrides import named, refuse_incomplete, refuse_unmakeable, with_overrides, wrong
from shared.domain.request.schema import Submission, changes_of, overridden, read
from shared.domain.tasks.task import Ran

_NOT_OF_A_FILE = {
    "audio_url": "a rerun asks about the same file; submit a request to ask about another",
    "messages": "a rerun asks about the same file; set prompt, or submit a request",
    "tool_choice": "a recipe leaves it to the model which function to call",
}
_NOT_REMOVED = {"model", "recipe", *_NOT_OF_A_FILE}
"""Fields whose null is ignored; for the others, null removes the recipe's value."""
_AROUND = {"sync", "stream", "callback_url", "metadata"}
"""Fields that do not change the question."""
_NOTHING_RAN = Recipe(
    name="ask", takes=("audio", "image", "video", "pdf", "text"), prompt="Describe this file."
)  # fmt: skip


def asked_again(ran: Ran | None, uri: str, changes: bytes, today: date | None = None) -> tuple[Ran | None, Submission]:
    """Return the recipe snapshot to run for the file at `uri`, and the changes as a request. Raises `RequestRefused`.

    None: nothing ran, and nothing is said of what should; the recipes of the inbox decide.
    """
    recipe = _NOTHING_RAN if ran is None else _as_it_ran(ran)
    about = json.dumps({"model": recipe.model or DEFAULT_MODEL, "audio_url": uri}).encode()
    given = changes_of(changes)
    given = {name: value for name, value in given.items() if value is not None or name not in _NOT_REMOVED}
    for name, why in _NOT_OF_A_FILE.items():
        if name in given:
            raise wrong(name, why)
    submission = read(overridden(about, json.dumps(given).encode()))
    before = recipe
    if submission.recipe is not None:
        recipe = named(submission.recipe)
    # The model of a recipe that is named holds where none is said.
    changed = with_overrides(recipe, submission, {*given, *(() if "recipe" in given else ("model",))}, today)
    refuse_incomplete(changed)
    refuse_unmakeable(changed, ())
    if ran is not None:
        _refuse_another_kind(before, changed, uri)
    if submission.stream and len(changed.asked) > 1:
        raise wrong("stream", f"the recipe {changed.name} asks several questions; only one can be streamed")
    if ran is None and not given.keys() - _AROUND:
        return None, submission
    return changed.ran(ran.origin if ran else "built in"), submission


def _as_it_ran(ran: Ran) -> Recipe:
    try:
        return Recipe.model_validate(ran.snapshot)
    except ValidationError as error:
        # Of a task that was made by an earlier version, which took more.
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise wrong("recipe", f"{ran.recipe}, as it ran, is not taken any more: {said}; drop the file again") from error


def _refuse_another_kind(before: Recipe, named: Recipe, uri: str) -> None:
    """Raise if the recipe does not take such a file by its name; generate checks the content."""
    kind = kind_of_name(uri)
    if kind is not None and kind.family not in named.takes and not set(before.takes) & set(named.takes):
        raise wrong("recipe", f"{named.name} takes {' or '.join(named.takes)}, this is {kind.family}")
