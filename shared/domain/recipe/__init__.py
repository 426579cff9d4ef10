"""Recipes: what to ask about which files.

    text of a file ─▶ `load` ─▶ `RecipeBook` ─▶ `choose` ─▶ `grant` the object's wishes ─▶ `Recipe`
                                                            ─▶ what is `asked` ─▶ `fill` ─▶ `wire.request`

`check` lists the problems of a file, `explain` says why a recipe was chosen for an object.
"""

from shared.domain.recipe.book import MAX_BYTES, Problem, RecipeBook, RecipesInvalid, built_in, check, file_schema, load
from shared.domain.recipe.definition import (
    DEFAULT_MODEL,
    TRANSCRIBE_PROMPT,
    Ask,
    Ending,
    Parameters,
    Range,
    Recipe,
    RecipeQuestion,
    Rule,
    Thinking,
)
from shared.domain.recipe.fitness import Misfit, misfits, shown_part
from shared.domain.recipe.matching import PREFIX, Dropped, Explained, choose, explain
from shared.domain.recipe.overlay import first_flaw, with_fields
from shared.domain.recipe.placeholders import Missing, fill, literal
from shared.domain.recipe.validation import output_flaws
from shared.domain.recipe.wire import PreparedFile, generation_config, media_part, request, unstructured
from shared.domain.recipe.wishes import Granted, grant, lacking

BUILT_IN: tuple[Recipe, ...] = built_in().recipes
"""The built-in recipes; the first of each family is its default."""

__all__ = [
    "BUILT_IN",
    "DEFAULT_MODEL",
    "MAX_BYTES",
    "PREFIX",
    "TRANSCRIBE_PROMPT",
    "Ask",
    "Dropped",
    "Ending",
    "Explained",
    "Granted",
    "Misfit",
    "Missing",
    "Parameters",
    "PreparedFile",
    "Problem",
    "Range",
    "Recipe",
    "RecipeBook",
    "RecipeQuestion",
    "RecipesInvalid",
    "Rule",
    "Thinking",
    "built_in",
    "check",
    "choose",
    "explain",
    "file_schema",
    "fill",
    "first_flaw",
    "generation_config",
    "grant",
    "lacking",
    "literal",
    "load",
    "media_part",
    "misfits",
    "output_flaws",
    "request",
    "shown_part",
    "unstructured",
    "with_fields",
]
