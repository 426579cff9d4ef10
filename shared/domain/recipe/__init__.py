"""Recipes: what to ask about which files.

    text of a file ─▶ `load` ─▶ `RecipeBook` ─▶ `choose` ─▶ `apply_metadata` ─▶ `Recipe`
                                                            ─▶ what is `asked` ─▶ `fill` ─▶ `wire.request`

`check` lists the problems of a file, `explain` says why a recipe was chosen for an object.
"""

from shared.domain.recipe.book import (
    MAX_BYTES,
    RecipeBook,
    RecipeProblem,
    RecipesInvalid,
    built_in,
    check,
    file_schema,
    load,
)
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
from shared.domain.recipe.object_metadata import AppliedMetadata, apply_metadata, missing_needs
from shared.domain.recipe.overlay import first_flaw, with_fields
from shared.domain.recipe.placeholders import Missing, fill, literal
from shared.domain.recipe.validation import output_flaws
from shared.domain.recipe.wire import PreparedFile, generation_config, media_part, request, unstructured

BUILT_IN: tuple[Recipe, ...] = built_in().recipes
"""The built-in recipes; the first of each family is its default."""

__all__ = [
    "BUILT_IN",
    "DEFAULT_MODEL",
    "MAX_BYTES",
    "PREFIX",
    "TRANSCRIBE_PROMPT",
    "AppliedMetadata",
    "Ask",
    "Dropped",
    "Ending",
    "Explained",
    "Misfit",
    "Missing",
    "Parameters",
    "PreparedFile",
    "Range",
    "Recipe",
    "RecipeBook",
    "RecipeProblem",
    "RecipeQuestion",
    "RecipesInvalid",
    "Rule",
    "Thinking",
    "apply_metadata",
    "built_in",
    "check",
    "choose",
    "explain",
    "file_schema",
    "fill",
    "first_flaw",
    "generation_config",
    "literal",
    "load",
    "media_part",
    "misfits",
    "missing_needs",
    "output_flaws",
    "request",
    "shown_part",
    "unstructured",
    "with_fields",
]
