"""Choose the recipe of an object: the first that matches; and explain why others do not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import Field

from shared.domain.errors import PermanentFailure
from shared.domain.media.kinds import Family
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.globs import glob_pattern
from shared.domain.tasks.task import Frozen

PREFIX = "dropsight-"
"""Prefix of the metadata keys that Dropsight reads."""


class Dropped(Frozen):
    """The facts about an object that choose its recipe."""

    bucket: str = ""
    name: str
    size: int = 0
    """Bytes."""
    family: Family
    mime: str = ""
    created_at: datetime | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class Explained(NamedTuple):
    """Whether a recipe matches an object, and why not."""

    recipe: str
    matches: bool
    chosen: bool
    why: str


def choose(recipes: Sequence[Recipe], about: Dropped) -> Recipe:
    """Return the first recipe whose rule matches. Raises `PermanentFailure` if none does."""
    for recipe in recipes:
        if mismatch(recipe, about) is None:
            return recipe
    raise PermanentFailure("invalid_param", f"no recipe is for {about.name} ({about.family})")


def explain(recipes: Sequence[Recipe], about: Dropped) -> list[Explained]:
    """Return why each recipe matched or not, in order."""
    explained: list[Explained] = []
    has_match = False
    for recipe in recipes:
        why_not = mismatch(recipe, about)
        if why_not is not None:
            explained.append(Explained(recipe.name, matches=False, chosen=False, why=why_not))
        elif has_match:
            explained.append(Explained(recipe.name, matches=True, chosen=False, why="it would match, but comes later"))
        else:
            explained.append(Explained(recipe.name, matches=True, chosen=True, why=_reason(recipe)))
            has_match = True
    return explained


def mismatch(recipe: Recipe, about: Dropped) -> str | None:
    """Return why `recipe` is not chosen for an object, or None."""
    rule = recipe.rule
    if rule is None:
        return f"it has no `for`: only metadata {PREFIX}recipe: {recipe.name}, or `use`, takes it"
    if about.family not in recipe.takes:
        return f"it takes {_join_with_or(recipe.takes)}, this is {about.family}"
    if rule.family and about.family not in rule.family:
        return f"it is for {_join_with_or(rule.family)}, this is {about.family}"
    if rule.prefix and not about.name.startswith(rule.prefix):
        return f"the name does not begin with {_join_with_or(rule.prefix)}"
    if rule.glob and not any(glob_pattern(glob).fullmatch(about.name) for glob in rule.glob):
        return f"the name does not match {_join_with_or(rule.glob)}"
    if about.size < rule.min_size:
        return f"{about.size} bytes are less than {rule.min_size}"
    if rule.max_size is not None and about.size > rule.max_size:
        return f"{about.size} bytes are more than {rule.max_size}"
    return None


def _reason(recipe: Recipe) -> str:
    rule = recipe.rule
    assert rule is not None
    reasons = [
        *([f"the name begins with {_join_with_or(rule.prefix)}"] if rule.prefix else []),
        *([f"the name matches {_join_with_or(rule.glob)}"] if rule.glob else []),
        *([f"it is {_join_with_or(rule.family)}"] if rule.family else []),
        *(["its size is in the range"] if rule.min_size or rule.max_size is not None else []),
    ]
    return " and ".join(reasons) or "it is for every file"


def _join_with_or(choices: Sequence[str]) -> str:
    return " or ".join(choices)
