"""Apply an object's custom metadata (`dropsight-prompt`, `dropsight-model`, `dropsight-recipe`, …) to its recipe.

A key is applied only if the recipe allows it; otherwise the task gets a warning. An invalid value is refused before
anything is uploaded. Values are literal: braces in a prompt are not placeholders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, cast, get_args

from pydantic import JsonValue, ValidationError

from shared.domain.errors import PermanentFailure
from shared.domain.media.kinds import Family
from shared.domain.recipe.definition import MetadataKey, Recipe
from shared.domain.recipe.making import MADE_METADATA_KEYS
from shared.domain.recipe.matching import PREFIX, Dropped
from shared.domain.recipe.overlay import first_flaw, overlay, with_fields
from shared.domain.recipe.placeholders import literal, metadata_keys
from shared.domain.recipe.validation import output_flaws

METADATA_KEYS: tuple[MetadataKey, ...] = get_args(MetadataKey)
_MARKS_OF_PUBLISHED_FILES = {"generation", "task"}
"""Keys with the same prefix that mark published files."""


class AppliedMetadata(NamedTuple):
    recipe: Recipe
    warnings: tuple[str, ...]


def apply_metadata(recipes: Sequence[Recipe], first: Recipe, about: Dropped) -> AppliedMetadata:
    """Return `first`, or the recipe that the metadata names, with the metadata applied. Raises `PermanentFailure`."""
    lowered = {key.lower(): value.strip() for key, value in about.metadata.items()}
    values = {
        key.removeprefix(PREFIX).replace("-", "_"): value for key, value in lowered.items() if key.startswith(PREFIX)
    }
    for mark in _MARKS_OF_PUBLISHED_FILES:
        values.pop(mark, None)
    warnings: list[str] = []
    recipe = first
    if (named := values.get("recipe")) and named != first.name:
        if "recipe" in first.allow:
            recipe = _by_name(recipes, named, about.family)
        else:
            warnings.append(_not_allowed_warning("recipe", first))
    texts = [*(question.prompt for question in recipe.questions), recipe.system or ""]
    keys_in_prompts = {key.lower().replace("-", "_") for text in texts for key in metadata_keys(text)}
    warnings += [
        _unknown_key_warning(name) for name in values if name not in METADATA_KEYS and name not in keys_in_prompts
    ]
    changes: dict[str, JsonValue] = {}
    for key in METADATA_KEYS:
        if key == "recipe" or key not in values:
            continue
        if key in recipe.allow or (key in recipe.needs and not _is_set(recipe, key)):
            field, convert = _FIELDS[key]
            name, _, inner = field.partition(".")
            value = convert(values[key])
            changes = overlay(changes, {name: {inner: value} if inner else value})
        else:
            warnings.append(_not_allowed_warning(key, recipe))
    if "companions" in changes:
        changes["companions"] = _companion_names(about.name, cast(list[str], changes["companions"]))
    changed = _with_changes(recipe, changes)
    if missing := [need for need in recipe.needs if need not in values and not _is_set(changed, need)]:
        keys = ", ".join(f"{PREFIX}{need.replace('_', '-')}" for need in missing)
        raise PermanentFailure(
            "invalid_param", f"The recipe {recipe.name} needs to be told more: set the object's metadata {keys}."
        )
    if changes:
        _refuse_impossible_outputs(changed, about, tuple(values))
    return AppliedMetadata(changed, tuple(warnings))


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


def _with_changes(recipe: Recipe, changes: dict[str, JsonValue]) -> Recipe:
    try:
        return with_fields(recipe, changes)
    except ValidationError as error:
        place, flaw = first_flaw(error)
        key = next((key for key, (field, _) in _FIELDS.items() if place.startswith(field)), place)
        raise PermanentFailure("invalid_param", f"{PREFIX}{key.replace('_', '-')}: {flaw}") from error


def _refuse_impossible_outputs(changed: Recipe, about: Dropped, values: Sequence[str]) -> None:
    """Raise `PermanentFailure` if the changed recipe has outputs that cannot be made."""
    for flaw in output_flaws(changed, [about.family]):
        blamed = "outputs" if "outputs" in values else "schema"
        raise PermanentFailure("invalid_param", f"{PREFIX}{blamed}: {flaw}.")


def missing_needs(recipe: Recipe) -> list[MetadataKey]:
    """Return what the recipe needs and is still missing."""
    return [need for need in recipe.needs if not _is_set(recipe, need)]


def _is_set(recipe: Recipe, need: MetadataKey) -> bool:
    return {
        "prompt": bool(recipe.prompt or recipe.asks),
        "range": recipe.range is not None,
        "schema": recipe.response_schema is not None,
        "with": bool(recipe.companions),
        "system": recipe.system is not None,
    }.get(need, True)


def _companion_names(name: str, companions: list[str]) -> JsonValue:
    """Return the full names of the companions. They are in the object's folder: its uploader may not read others."""
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


def _unchanged(value: str) -> JsonValue:
    return value


_FIELDS: dict[MetadataKey, tuple[str, Callable[[str], JsonValue]]] = {
    "prompt": ("prompt", literal),
    "model": ("model", _unchanged),
    "system": ("system", literal),
    "range": ("range", _unchanged),
    "schema": ("response_schema", _unchanged),
    "outputs": ("outputs", _listed),
    "with": ("companions", _listed),
    "temperature": ("parameters.temperature", _unchanged),
    "max_tokens": ("parameters.max_tokens", _unchanged),
    "thinking": ("thinking", _unchanged),
    "media_resolution": ("media_resolution", _unchanged),
    "service_tier": ("service_tier", _unchanged),
    **{cast(MetadataKey, key): (field, _unchanged) for key, field in MADE_METADATA_KEYS.items()},
}


def _unknown_key_warning(name: str) -> str:
    written = name.replace("_", "-")
    close = get_close_matches(name, METADATA_KEYS, n=1)
    hint = f" Do you mean {PREFIX}{close[0].replace('_', '-')}?" if close else ""
    return f"The metadata {PREFIX}{written} means nothing and was ignored.{hint}"


def _not_allowed_warning(key: MetadataKey, recipe: Recipe) -> str:
    name = f"{PREFIX}{key.replace('_', '-')}"
    return f"The metadata {name} was ignored: the recipe {recipe.name} does not allow it."
