"""A rerun of a dropped file's task: the recipe that ran, with what the request's body says in its place."""

from __future__ import annotations

import json
from datetime import date
from typing import cast

from shared.domain.answer import Json
from shared.domain.media import kind_of_name
from shared.domain.recipe import DEFAULT_MODEL, Recipe
from shared.domain.request.laying_over import laid_over, named, refuse_incomplete, refuse_unmakeable, wrong
from shared.domain.request.schema import Submission, overridden, read
from shared.domain.task import Ran

_NOT_OF_A_FILE = {
    "audio_url": "a rerun asks about the same file; submit a request to ask about another",
    "messages": "a rerun asks about the same file; set prompt, or submit a request",
    "tool_choice": "a recipe leaves it to the model which function to call",
}
_AROUND = {"sync", "stream", "callback_url", "metadata"}
"""Fields that do not change what is asked."""
_NOTHING_RAN = Recipe(
    name="ask", takes=("audio", "image", "video", "pdf", "text"), prompt="Describe this file."
)  # fmt: skip


def asked_again(ran: Ran | None, uri: str, changes: bytes, today: date | None = None) -> tuple[Ran | None, Submission]:
    """What is to run for the file at `uri`, and the changes as a request. Raises `RequestRefused`, naming the field.

    None: nothing ran, and nothing is said of what should; the recipes of the inbox decide.
    """
    recipe = _NOTHING_RAN if ran is None else Recipe.model_validate(ran.snapshot)
    about = json.dumps({"model": recipe.model or DEFAULT_MODEL, "audio_url": uri}).encode()
    merged = overridden(about, changes)
    given = cast(Json, json.loads(changes or b"{}"))
    for name, why in _NOT_OF_A_FILE.items():
        if name in given:
            raise wrong(name, why)
    submission = read(merged)
    before = recipe
    if submission.recipe is not None:
        recipe = named(submission.recipe)
    # The model of a recipe that is named holds where none is said.
    changed = laid_over(recipe, submission, {*given, *(() if "recipe" in given else ("model",))}, today)
    refuse_incomplete(changed)
    refuse_unmakeable(changed, ())
    if ran is not None:
        _refuse_another_kind(before, changed, uri)
    if submission.stream and len(changed.asked) > 1:
        raise wrong("stream", f"the recipe {changed.name} asks several questions; only one can be streamed")
    if ran is None and not given.keys() - _AROUND:
        return None, submission
    return changed.ran(ran.origin if ran else "built in"), submission


def _refuse_another_kind(before: Recipe, named: Recipe, uri: str) -> None:
    """What surely takes no such file; a name may lie, and then generate tells, which looks into the file."""
    kind = kind_of_name(uri)
    if kind is not None and kind.family not in named.takes and not set(before.takes) & set(named.takes):
        raise wrong("recipe", f"{named.name} takes {' or '.join(named.takes)}, this is {kind.family}")
