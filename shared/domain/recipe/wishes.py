"""Apply the wishes of an object's custom metadata (`dropsight-prompt`, `dropsight-model`, `dropsight-recipe`, …).

A wish is applied only if the recipe allows it; otherwise the task gets a warning. An invalid wish is refused before
anything is uploaded. Wishes are literal: braces in a wished prompt are no placeholders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, cast, get_args

from pydantic import JsonValue, ValidationError

from shared.domain.errors import PermanentFailure
from shared.domain.media.kinds import Family
from shared.domain.recipe.definition import Recipe, Wish
from shared.domain.recipe.making import MADE_WISHES
from shared.domain.recipe.matching import PREFIX, Dropped
from shared.domain.recipe.overlay import first_flaw, overlay, with_fields
from shared.domain.recipe.placeholders import literal, metadata_keys
from shared.domain.recipe.validation import output_flaws

WISHES: tuple[Wish, ...] = get_args(Wish)
_NOT_WISHES = {"generation", "task"}
"""Keys with the same prefix that mark published files."""


class Granted(NamedTuple):
    recipe: Recipe
    warnings: tuple[str, ...]


def grant(recipes: Sequence[Recipe], first: Recipe, about: Dropped) -> Granted:
    """Return `first`, or the recipe that the object names, with the object's wishes. Raises `PermanentFailure`."""
    wishes = {key.lower().removeprefix(PREFIX): value for key, value in about.metadata.items() if _ours(key)}
    wishes = {name.replace("-", "_"): value.strip() for name, value in wishes.items() if name not in _NOT_WISHES}
    warnings: list[str] = []
    recipe = first
    if (named := wishes.get("recipe")) and named != first.name:
        if "recipe" in first.allow:
            recipe = _by_name(recipes, named, about.family)
        else:
            warnings.append(_unheard("recipe", first))
    texts = [*(question.prompt for question in recipe.questions), recipe.system or ""]
    for_prompts = {key.lower().replace("-", "_") for text in texts for key in metadata_keys(text)}
    warnings += [_unknown(name) for name in wishes if name not in WISHES and name not in for_prompts]
    changes: dict[str, JsonValue] = {}
    for wish in WISHES:
        if wish == "recipe" or wish not in wishes:
            continue
        if wish in recipe.allow or (wish in recipe.needs and not _has(recipe, wish)):
            field, convert = _MEANING[wish]
            name, _, inner = field.partition(".")
            value = convert(wishes[wish])
            changes = overlay(changes, {name: {inner: value} if inner else value})
        else:
            warnings.append(_unheard(wish, recipe))
    if "companions" in changes:
        changes["companions"] = _beside(about.name, cast(list[str], changes["companions"]))
    granted = _changed(recipe, changes)
    if lacking := [need for need in recipe.needs if need not in wishes and not _has(granted, need)]:
        keys = ", ".join(f"{PREFIX}{need.replace('_', '-')}" for need in lacking)
        raise PermanentFailure(
            "invalid_param", f"The recipe {recipe.name} needs to be told more: set the object's metadata {keys}."
        )
    if changes:
        _refuse_what_cannot_be_made(granted, about, tuple(wishes))
    return Granted(granted, tuple(warnings))


def _ours(key: str) -> bool:
    return key.lower().startswith(PREFIX)


def _by_name(recipes: Sequence[Recipe], name: str, family: Family) -> Recipe:
    match = next((recipe for recipe in recipes if recipe.name == name), None)
    fitting = [recipe.name for recipe in recipes if family in recipe.takes]
    if match is None:
        close = get_close_matches(name, fitting, n=1)
        hint = f"Do you mean {close[0]}?" if close else f"For this kind of file there are {', '.join(fitting)}."
        raise PermanentFailure("invalid_param", f"{PREFIX}recipe: no recipe is named {name!r}. {hint}")
    if family not in match.takes:
        takes = f"{name} takes {' or '.join(match.takes)}, this is {family}"
        raise PermanentFailure(
            "invalid_param", f"{PREFIX}recipe: {takes}. For {family} there are {', '.join(fitting)}."
        )
    return match


def _changed(recipe: Recipe, changes: dict[str, JsonValue]) -> Recipe:
    try:
        return with_fields(recipe, changes)
    except ValidationError as error:
        place, flaw = first_flaw(error)
        wish = next((wish for wish, (field, _) in _MEANING.items() if place.startswith(field)), place)
        raise PermanentFailure("invalid_param", f"{PREFIX}{wish.replace('_', '-')}: {flaw}") from error


def _refuse_what_cannot_be_made(granted: Recipe, about: Dropped, wishes: Sequence[str]) -> None:
    """Check the recipe again after wishes were applied."""
    for flaw in output_flaws(granted, [about.family]):
        blamed = "outputs" if "outputs" in wishes else "schema"
        raise PermanentFailure("invalid_param", f"{PREFIX}{blamed}: {flaw}.")


def lacking(recipe: Recipe) -> list[Wish]:
    """Return what the recipe needs and is still missing."""
    return [need for need in recipe.needs if not _has(recipe, need)]


def _has(recipe: Recipe, need: Wish) -> bool:
    return {
        "prompt": bool(recipe.prompt or recipe.asks),
        "range": recipe.range is not None,
        "schema": recipe.response_schema is not None,
        "with": bool(recipe.companions),
        "system": recipe.system is not None,
    }.get(need, True)


def _beside(name: str, companions: list[str]) -> JsonValue:
    """Return full names of files in the object's folder or below: who may write there may not read elsewhere."""
    folder = name[: name.rfind("/") + 1]
    for companion in companions:
        if companion.startswith("/") or ".." in companion.split("/"):
            raise PermanentFailure(
                "invalid_param",
                f"{PREFIX}with: {companion!r} does not lie in the file's own folder. Name files relative to it.",
            )
    return [f"{folder}{companion}" for companion in companions]


def _listed(value: str) -> JsonValue:
    return [part.strip() for part in value.split(",") if part.strip()]


def _literal(value: str) -> JsonValue:
    return literal(value)


def _as_is(value: str) -> JsonValue:
    return value


_MEANING: dict[Wish, tuple[str, Callable[[str], JsonValue]]] = {
    "prompt": ("prompt", _literal),
    "model": ("model", _as_is),
    "system": ("system", _literal),
    "range": ("range", _as_is),
    "schema": ("response_schema", _as_is),
    "outputs": ("outputs", _listed),
    "with": ("companions", _listed),
    "temperature": ("parameters.temperature", _as_is),
    "max_tokens": ("parameters.max_tokens", _as_is),
    "thinking": ("thinking", _as_is),
    "media_resolution": ("media_resolution", _as_is),
    "service_tier": ("service_tier", _as_is),
    **{cast(Wish, wish): (field, _as_is) for wish, field in MADE_WISHES.items()},
}


def _unknown(name: str) -> str:
    written = name.replace("_", "-")
    close = get_close_matches(name, WISHES, n=1)
    hint = f" Do you mean {PREFIX}{close[0].replace('_', '-')}?" if close else ""
    return f"The metadata {PREFIX}{written} means nothing and was ignored.{hint}"


def _unheard(wish: Wish, recipe: Recipe) -> str:
    key = f"{PREFIX}{wish.replace('_', '-')}"
    return f"The metadata {key} was ignored: the recipe {recipe.name} does not allow it."
