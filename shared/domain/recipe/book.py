"""Read recipe files: their recipes in order, or every problem with its line and field.

built_in = true            # the shipped recipes follow yours; false: only yours

[[recipe]]
name = "calls"
use = "transcribe-timed"   # begin with all that another recipe says
for = { prefix = "calls/" }
model = "gemini-3.8-flash"
allow = ["prompt"]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.overlay import overlay
from shared.domain.recipe.toml_lines import Place, line_of, lines
from shared.domain.recipe.validation import flaws
from shared.domain.tasks.task import Frozen

_TOML_LINE = re.compile(r"\s?\(at (?:line (\d+), column \d+|end of document)\)")
_TOP_LEVEL_KEYS = ("built_in", "recipe")
_LONG_KEY = re.compile(r"(?<![\w.-])(?:[\w-]++[ \t]*+\.[ \t]*+){100}")
"""Matches a key with a hundred parts: the TOML parser's time grows with the square of their number."""
MAX_BYTES = 1 << 20
"""The largest recipe file, in bytes."""


class RecipeProblem(NamedTuple):
    """A problem and its place. `field` is a path like `recipe[1].parameters.temperature`; empty for the whole file."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.field}: {self.message}" if self.field else f"line {self.line}: {self.message}"


class RecipesInvalid(ValueError):
    """A recipe file that cannot be used."""

    def __init__(self, problems: Sequence[RecipeProblem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RecipeBook(Frozen):
    """All recipes of an inbox, in the order in which they are tried."""

    recipes: tuple[Recipe, ...]
    origins: dict[str, str]
    """The origin of each recipe by name: `built in`, or the operator's object and its generation."""

    def named(self, name: str) -> Recipe | None:
        return next((recipe for recipe in self.recipes if recipe.name == name), None)

    def origin(self, recipe: Recipe) -> str:
        return self.origins.get(recipe.name, "built in")


@cache
def built_in() -> RecipeBook:
    """Return the recipes that ship with the code."""
    text = resources.files("shared.domain.recipe").joinpath("built_in.toml").read_text(encoding="utf-8")
    return _Reader(text, ()).book("built in")


def load(text: str, origin: str = "a file") -> RecipeBook:
    """Return the operator's recipes, followed by the built-in ones unless disabled. Raises `RecipesInvalid`."""
    return _Reader(text, built_in().recipes).book(origin)


def check(text: str) -> list[RecipeProblem]:
    """Return every problem of a recipe file; empty if it can be used."""
    try:
        load(text)
    except RecipesInvalid as invalid:
        return list(invalid.problems)
    return []


def file_schema() -> dict[str, Any]:
    """Return the JSON Schema of recipe files, with which editors complete and check them."""
    recipe = Recipe.model_json_schema(by_alias=True)
    definitions = recipe.pop("$defs", {})
    recipe["properties"]["use"] = {"type": "string", "description": "The recipe to begin with."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Dropsight recipes",
        "type": "object",
        "properties": {
            "built_in": {"type": "boolean", "default": True, "description": "Whether the shipped recipes follow."},
            "recipe": {"type": "array", "minItems": 1, "items": {**recipe, "required": ["name"]}},
        },
        "required": ["recipe"],
        "additionalProperties": False,
        "$defs": definitions,
    }


class _Reader:
    def __init__(self, text: str, shipped: tuple[Recipe, ...]) -> None:
        self._text, self._shipped = text, shipped
        self._problems: list[RecipeProblem] = []
        self._lines: dict[Place, int] = {}
        self._faulty: set[str] = set()
        """Names of recipes with problems; recipes that use them are not reported for these."""

    def book(self, origin: str) -> RecipeBook:
        document = self._document()
        own = self._recipes(document)
        names = {recipe.name for recipe in own}
        shipped = self._shipped if document.get("built_in", True) else ()
        shipped_after = tuple(recipe for recipe in shipped if recipe.name not in names)
        self._check_document_recipes(
            document.get("recipe", []), {recipe.name: recipe for recipe in (*own, *shipped_after)}
        )
        if self._problems:
            raise RecipesInvalid(sorted(self._problems))
        return RecipeBook(recipes=(*own, *shipped_after), origins=dict.fromkeys(names, origin))

    def _document(self) -> dict[str, Any]:
        if len(self._text.encode()) > MAX_BYTES:
            raise RecipesInvalid([RecipeProblem(1, "", f"the file is larger than {MAX_BYTES >> 20} MiB")])
        if long := _LONG_KEY.search(self._text):
            line = self._text.count("\n", 0, long.start()) + 1
            raise RecipesInvalid([RecipeProblem(line, "", "a key of a hundred parts and more")])
        try:
            document = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            raise RecipesInvalid([_syntax_problem(error, self._text)]) from error
        except (ValueError, RecursionError) as error:
            # A number of thousands of digits, or as many brackets.
            raise RecipesInvalid(
                [RecipeProblem(1, "", f"not TOML that can be read: {type(error).__name__}")]
            ) from error
        self._lines = lines(self._text)
        for key in document:
            if key not in _TOP_LEVEL_KEYS:
                self._report((key,), f"unknown: a recipe file holds {' and '.join(_TOP_LEVEL_KEYS)}")
        if not isinstance(document.get("built_in", True), bool):
            self._report(("built_in",), "must be true or false")
        return document

    def _recipes(self, document: dict[str, Any]) -> tuple[Recipe, ...]:
        entries = document.get("recipe", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self._report(("recipe",), "write each recipe under a line [[recipe]]")
            return ()
        if not entries:
            self._problems.append(RecipeProblem(1, "", "the file holds no recipe: begin one with a line [[recipe]]"))
        raw = {
            recipe.name: recipe.model_dump(mode="json", by_alias=True, exclude_unset=True) for recipe in self._shipped
        }
        names: set[str] = set()
        read: list[Recipe] = []
        for index, entry in enumerate(entries):
            place: Place = ("recipe", index)
            whole = self._with_used_recipe(place, entry, raw)
            recipe, faulty = self._validated(place, whole)
            if recipe is None:
                continue
            self._check_fields(place, recipe, faulty)
            if faulty:
                self._faulty.add(recipe.name)
                continue
            if recipe.name in names:
                self._report((*place, "name"), f"a second recipe named {recipe.name}: names are unique in a file")
            names.add(recipe.name)
            raw[recipe.name] = whole
            read.append(recipe)
        return tuple(read)

    def _with_used_recipe(self, place: Place, entry: dict[str, Any], raw: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the entry's fields, with those of the recipe that it uses as defaults."""
        used = entry.get("use")
        own = {key: value for key, value in entry.items() if key != "use"}
        if used is None:
            return own
        if used in self._faulty:
            return {**_PLACEHOLDER, **({} if "asks" in own else {"prompt": "as the other says"}), **own}
        if used not in raw:
            self._report((*place, "use"), f"no recipe is named {used!r} here or among the built-in ones before it")
            return own
        base = {key: value for key, value in raw[used].items() if key not in ("name", "for")}
        return overlay(base, own)

    def _validated(self, place: Place, whole: dict[str, Any]) -> tuple[Recipe | None, frozenset[str]]:
        """Return the recipe without its faulty fields, and their names."""
        try:
            return Recipe.model_validate(whole), frozenset()
        except ValidationError as error:
            for flaw in error.errors():
                self._report((*place, *flaw["loc"]), _describe_error(cast(dict[str, Any], flaw)))
            faulty = frozenset(str(flaw["loc"][0]) for flaw in error.errors() if flaw["loc"])
        rest = {**_PLACEHOLDER, **{key: value for key, value in whole.items() if key not in faulty}}
        try:
            return Recipe.model_validate(rest), faulty
        except ValidationError:
            return None, faulty

    def _check_fields(self, place: Place, recipe: Recipe, faulty: frozenset[str]) -> None:
        """Report problems beyond types, except those of faulty fields and of fields that depend on them."""
        for field, message in flaws(recipe):
            if not faulty.intersection((str(field[0]), *_DEPENDENCIES.get(str(field[0]), ()))):
                self._report((*place, *field), message)

    def _check_document_recipes(self, entries: Any, recipes: dict[str, Recipe]) -> None:
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            name = entry.get("document_recipe") if isinstance(entry, dict) else None
            if not isinstance(name, str) or name in self._faulty:
                continue
            place: Place = ("recipe", index, "document_recipe")
            if name not in recipes:
                self._report(place, f"no recipe is named {name!r} here or among the built-in ones")
            elif "pdf" not in recipes[name].takes:
                self._report(place, f"the documents are PDFs: {name} takes {' or '.join(recipes[name].takes)}")

    def _report(self, place: Place, message: str) -> None:
        self._problems.append(RecipeProblem(line_of(self._lines, place), _path(place), message))


_PLACEHOLDER = {"name": "unnamed", "takes": ["text"]}
"""Values that replace faulty fields, so that the others can still be checked."""
_DEPENDENCIES = {
    "prompt": ("asks", "needs", "range"),
    "outputs": ("response_schema", "takes", "needs", "asks"),
    "model": ("takes",),
    "thinking": ("model",),
    "response_schema": ("model",),
}
"""The fields on which the check of a field depends."""


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str) -> RecipeProblem:
    message = str(error)
    match = _TOML_LINE.search(message)
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    return RecipeProblem(line, "", f"not TOML: {_TOML_LINE.sub('', message)}")


def _describe_error(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        fields = sorted({"use", *(field.alias or name for name, field in Recipe.model_fields.items())})
        return f"unknown field; a recipe has {', '.join(fields)}" if len(error["loc"]) == 1 else "unknown field"
    if error["type"] == "missing":
        return "missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _path(place: Place) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return path.lstrip(".")


BUILT_IN = built_in().recipes
"""The built-in recipes; the first of each family is its default."""
