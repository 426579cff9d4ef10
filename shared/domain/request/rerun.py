"""Rerun a dropped file's task: the recipe that ran, with the fields of the request's body."""

from __future__ import annotations

import json
from datetime import date

from pydantic import ValidationError

from shared.domain.media import kind_of_name
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.overlay import first_flaw
from shared.domain.recipe.placeholders import literal
from shared.domain.request.overrides import (
    CACHED_CONTENT,
    find_recipe,
    invalid_field,
    overrides_of,
    refuse_incomplete,
    refuse_unmakeable,
    with_overrides,
)
from shared.domain.request.schema import Submission, read, read_changes, replace_fields
from shared.domain.request.validation import refuse_misfits
from shared.domain.tasks.task import Ran

_REFUSED_FIELDS = {
    "audio_url": "a rerun asks about the same file; submit a request to ask about another",
    "messages": "a rerun asks about the same file; set prompt, or submit a request",
    "n": "a dropped file has one answer; submit a request to get several",
    "index": "a rerun asks about the same file; submit a request to ask across files",
    "tool_choice": "a recipe leaves it to the model which function to call",
}
_IGNORED_NULLS = {"model", "recipe", *_REFUSED_FIELDS}
"""Fields whose null is ignored; for the others, null removes the recipe's value."""
_DELIVERY_FIELDS = {"sync", "stream", "callback_url", "callback_auth", "metadata"}
"""Fields that do not change the question."""
_DEFAULT_RECIPE = Recipe(
    name="ask", takes=("audio", "image", "video", "pdf", "text"), prompt="Describe this file."
)  # fmt: skip


def resolve_rerun(
    ran: Ran | None, uri: str, changes: bytes, today: date | None = None
) -> tuple[Ran | None, Submission]:
    """Return the recipe snapshot to run for the file at `uri`, and the changes as a request. Raises `RequestRefused`.

    The snapshot is None if nothing ran before and the changes set no question. Then the inbox's recipes are used.
    """
    before = recipe = _DEFAULT_RECIPE if ran is None else _recipe_that_ran(ran)
    base_request = json.dumps({"model": recipe.model, "audio_url": uri}).encode()
    replacements = read_changes(changes)
    replacements = {
        name: value for name, value in replacements.items() if value is not None or name not in _IGNORED_NULLS
    }
    for name, why in _REFUSED_FIELDS.items():
        if name in replacements:
            raise invalid_field(name, why)
    submission = read(replace_fields(base_request, json.dumps(replacements).encode()))
    if submission.google.cached_content is not None:
        raise invalid_field(CACHED_CONTENT, "a rerun asks about the same file; submit a request to ask about a cache")
    if submission.recipe is not None:
        recipe = find_recipe(submission.recipe)
    # A recipe that is named brings its own model.
    fields = overrides_of(recipe, submission, {*replacements, *(() if "recipe" in replacements else ("model",))}, today)
    if submission.prompt is not None:
        fields["prompt"] = literal(submission.prompt)
    if "system_prompt" in replacements:
        fields["system"] = None if submission.system_prompt is None else literal(submission.system_prompt)
    changed = with_overrides(recipe, submission, fields)
    refuse_incomplete(changed)
    refuse_unmakeable(changed, ())
    kind = kind_of_name(uri)
    families = [kind.family] if kind is not None and kind.family in changed.takes else []
    if ran is not None and kind is not None and not families and not set(before.takes) & set(changed.takes):
        # The name may be wrong. So refuse only if the earlier recipe took other files too; generate checks content.
        raise invalid_field("recipe", f"{changed.name} takes {' or '.join(changed.takes)}, this is {kind.family}")
    refuse_misfits(changed, submission, families, today)
    if submission.stream and len(changed.questions) > 1:
        raise invalid_field("stream", f"the recipe {changed.name} asks several questions; only one can be streamed")
    if ran is None and not replacements.keys() - _DELIVERY_FIELDS:
        return None, submission
    return changed.ran(ran.origin if ran else "built in"), submission


def _recipe_that_ran(ran: Ran) -> Recipe:
    try:
        return Recipe.model_validate(ran.snapshot)
    except ValidationError as error:
        # The task was created by an earlier version, which accepted more.
        _, flaw = first_flaw(error)
        raise invalid_field(
            "recipe", f"{ran.recipe}, as it ran, is not taken any more: {flaw}; drop the file again"
        ) from error
