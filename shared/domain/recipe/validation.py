"""Find contradictions in a recipe whose fields all have valid types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from shared.domain.media.kinds import Family
from shared.domain.recipe import placeholders
from shared.domain.recipe.definition import Recipe, RecipeQuestion, Rule
from shared.domain.recipe.fitness import misfits
from shared.domain.recipe.globs import glob_pattern
from shared.domain.recipe.making import output_flaw
from shared.domain.recipe.toml_lines import Place

RESERVED_NAMES = ("task",)
"""Reserved names: Dropsight publishes its own files under them (`task.json`)."""


def flaws(recipe: Recipe) -> Iterator[tuple[Place, str]]:
    """Yield the place of each flaw, and what it is."""
    if recipe.prompt and recipe.asks:
        yield ("asks",), "there is a prompt already: give one prompt or several asks"
    may_be_silent = recipe.makes in ("speech", "embedding")
    if not recipe.prompt and not recipe.asks and "prompt" not in recipe.needs and not may_be_silent:
        yield ("prompt",), "missing: what shall be asked?"
    if len({ask.name for ask in recipe.asks}) < len(recipe.asks):
        yield ("asks",), "two asks of the same name"
    for index, ask in enumerate(recipe.asks):
        if ask.name in RESERVED_NAMES:
            yield ("asks", index, "name"), f"{ask.name} is taken: {ask.name}.json is the task itself"
    prompts: list[Place] = [("asks", index, "prompt") for index in range(len(recipe.asks))] or [("prompt",)]
    for field, question in zip(prompts, recipe.questions, strict=True):
        for message in placeholders.flaws(question.prompt):
            yield field, message
    for message in output_flaws(recipe, recipe.takes):
        yield ("outputs",), message
    yield from _flaws_of_dependent_fields(recipe)
    for message in placeholders.flaws(recipe.system or ""):
        yield ("system",), message
    if recipe.rule:
        yield from _flaws_of_rule(recipe.rule, recipe)
    for misfit in misfits(recipe, recipe.takes):
        yield tuple(misfit.field.split(".")), misfit.message


def _flaws_of_dependent_fields(recipe: Recipe) -> Iterator[tuple[Place, str]]:
    structured = "schema" in recipe.needs or any(question.response_schema for question in recipe.questions)
    if recipe.evidence and not structured:
        yield ("evidence",), "evidence is given for structured answers: give a response_schema"
    if recipe.document_recipe is not None and not recipe.cut_documents:
        yield ("document_recipe",), "documents become tasks where they are cut out: set cut_documents = true"


def output_flaws(recipe: Recipe, families: Sequence[Family]) -> Iterator[str]:
    """Yield why the recipe's outputs cannot be made for files of `families` (empty: unknown)."""
    if recipe.makes is not None:
        if flaw := output_flaw(recipe.makes, recipe.outputs):
            yield flaw
        return
    for question in recipe.questions:
        yield from _flaws_of_outputs(question, families, structured="schema" in recipe.needs)


def _flaws_of_outputs(question: RecipeQuestion, families: Sequence[Family], *, structured: bool) -> Iterator[str]:
    schema = question.response_schema
    for output in question.outputs:
        if output in ("csv", "json", "srt", "vtt", "png") and schema is None and not structured:
            yield f"{output} is made from a structured answer: give a response_schema"
        if output in ("wav", "embeddings.json"):
            made = "speech" if output == "wav" else "embedding"
            yield f"{output} is made by recipes with a table {made}"
        if output == "png" and not {"image"}.issuperset(families):
            yield 'png draws on the source: only for takes = ["image"]'
        if output in ("srt", "vtt") and not {"audio", "video"}.issuperset(families):
            yield f'{output} is for takes = ["audio", "video"]'
        if output == "png" and _lacks_properties(schema, ("box_2d",)):
            yield "png draws the boxes of the answer: the response_schema has no box_2d"
        if output in ("srt", "vtt") and _lacks_properties(schema, ("start", "text")):
            yield f"{output} is made of segments: the response_schema has none with a start and a text"
    if len(set(question.outputs)) < len(question.outputs):
        yield "an ending is listed twice"


def _flaws_of_rule(rule: Rule, recipe: Recipe) -> Iterator[tuple[Place, str]]:
    if any(name.startswith(("/", "gs://")) for name in (*rule.prefix, *rule.glob)):
        yield ("for",), "names of objects begin neither with / nor with gs://bucket/"
    if rule.family and not set(rule.family) & set(recipe.takes):
        yield ("for", "family"), f"it takes {', '.join(recipe.takes)} only, so this never matches"
    if rule.max_size is not None and rule.min_size > rule.max_size:
        yield ("for", "min_size"), f"{rule.min_size} bytes are more than max_size ({rule.max_size}): this never matches"
    for index, glob in enumerate(rule.glob):
        try:
            glob_pattern(glob)
        except ValueError as error:
            yield ("for", "glob", index), str(error)


def _lacks_properties(schema: dict[str, JsonValue] | None, names: tuple[str, ...]) -> bool:
    """Whether a schema says which properties there are, and not all of `names` are among them."""
    declared = set(_properties(schema))
    return bool(declared) and not declared.issuperset(names)


def _properties(schema: JsonValue) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _properties(part)
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for part in schema.values():
            yield from _properties(part)
