"""Rerun a dropped file's task: the recipe that ran, with the fields of the request's body."""

from __future__ import annotations

import json
from datetime import date

from pydantic import ValidationError

from shared.domain.media import kind_of_name
from shared.domain.recipe import DEFAULT_MODEL, Recipe, first_flaw, literal
from shared.domain.request.overrides import (
    built_in_recipe,
    refuse_incomplete,
    refuse_unmakeable,
    settings_of,
    with_overrides,
    wrong,
)
from shared.domain.request.schema import Submission, changes_of, overridden, read
from shared.domain.request.validation import refuse_misfits
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
        recipe = built_in_recipe(submission.recipe)
    # The model of a recipe that is named holds where none is said.
    fields = settings_of(recipe, submission, {*given, *(() if "recipe" in given else ("model",))}, today)
    if submission.prompt is not None:
        fields["prompt"] = literal(submission.prompt)
    if "system_prompt" in given:
        fields["system"] = None if submission.system_prompt is None else literal(submission.system_prompt)
    changed = with_overrides(recipe, submission, fields)
    refuse_incomplete(changed)
    refuse_unmakeable(changed, ())
    kind = kind_of_name(uri)
    takes_it = kind is None or kind.family in changed.takes
    # A name may lie: generate checks the content.
    if ran is not None and kind is not None and not takes_it and not set(before.takes) & set(changed.takes):
        raise wrong("recipe", f"{changed.name} takes {' or '.join(changed.takes)}, this is {kind.family}")
    refuse_misfits(changed, submission, [kind.family] if kind is not None and takes_it else (), today)
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
        _, flaw = first_flaw(error)
        raise wrong("recipe", f"{ran.recipe}, as it ran, is not taken any more: {flaw}; drop the file again") from error
