"""Which recipe is for this object? The first that matches, and for each of the others why not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from pydantic import Field

from shared.domain.media.kinds import Family
from shared.domain.recipe.definition import Recipe
from shared.domain.task import Frozen

PREFIX = "dropsight-"
"""Of the keys by which an object's metadata speaks to us."""


class Dropped(Frozen):
    """What is known of an object when its recipe is chosen."""

    bucket: str = ""
    name: str
    size: int = 0
    """Bytes."""
    family: Family
    mime: str = ""
    created_at: datetime | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


class Explained(NamedTuple):
    """A recipe's part in the choice for one object."""

    recipe: str
    matches: bool
    chosen: bool
    why: str


def choose(recipes: Sequence[Recipe], about: Dropped) -> Recipe:
    """The first recipe whose rule matches; LookupError where none does."""
    for recipe in recipes:
        if mismatch(recipe, about) is None:
            return recipe
    raise LookupError(f"no recipe is for {about.name} ({about.family})")


def explain(recipes: Sequence[Recipe], about: Dropped) -> list[Explained]:
    """Why each recipe matched or not, in their order."""
    told: list[Explained] = []
    taken = False
    for recipe in recipes:
        why_not = mismatch(recipe, about)
        if why_not is not None:
            told.append(Explained(recipe.name, matches=False, chosen=False, why=why_not))
        elif taken:
            told.append(Explained(recipe.name, matches=True, chosen=False, why="it would match, but comes later"))
        else:
            told.append(Explained(recipe.name, matches=True, chosen=True, why=_reason(recipe)))
            taken = True
    return told


def mismatch(recipe: Recipe, about: Dropped) -> str | None:
    """Why `recipe` is not taken by itself for an object, or None where it is."""
    rule = recipe.rule
    if rule is None:
        return f"it has no `for`: only metadata {PREFIX}recipe: {recipe.name}, or `use`, takes it"
    if about.family not in recipe.takes:
        return f"it takes {_or(recipe.takes)}, this is {about.family}"
    if rule.family and about.family not in rule.family:
        return f"it is for {_or(rule.family)}, this is {about.family}"
    if rule.prefix and not about.name.startswith(rule.prefix):
        return f"the name does not begin with {_or(rule.prefix)}"
    if rule.glob and not any(glob_pattern(each).fullmatch(about.name) for each in rule.glob):
        return f"the name does not match {_or(rule.glob)}"
    if about.size < rule.min_size:
        return f"{about.size} bytes are less than {rule.min_size}"
    if rule.max_size is not None and about.size > rule.max_size:
        return f"{about.size} bytes are more than {rule.max_size}"
    return None


@cache
def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` within a folder, `**` across folders (`**/` also none), `[abc]`. ValueError for an open bracket."""
    return re.compile("".join(_pieces(glob)), re.DOTALL)


def _pieces(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at):
            yield "(?:.*/)?"
            at += 3
        elif glob.startswith("**", at):
            yield ".*"
            at += 2
        elif glob[at] == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise ValueError(f"the [ in {glob!r} is never closed")
            members = glob[at + 1 : end]
            negated = "^/" if members[0] in "!^" else ""
            members = members[1:] if negated else members
            quoted = re.sub(r"([\\\[\]^&~|])", r"\\\1", members)
            yield f"[{negated}{quoted}]"
            at = end + 1
        else:
            yield {"*": "[^/]*", "?": "[^/]"}.get(glob[at]) or re.escape(glob[at])
            at += 1


def _reason(recipe: Recipe) -> str:
    rule = recipe.rule
    assert rule is not None
    reasons = [
        *([f"the name begins with {_or(rule.prefix)}"] if rule.prefix else []),
        *([f"the name matches {_or(rule.glob)}"] if rule.glob else []),
        *([f"it is {_or(rule.family)}"] if rule.family else []),
        *(["its size is in the range"] if rule.min_size or rule.max_size is not None else []),
    ]
    return " and ".join(reasons) or "it is for every file"


def _or(choices: Sequence[str]) -> str:
    return " or ".join(choices)
