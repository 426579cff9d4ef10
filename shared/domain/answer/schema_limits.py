"""Limits on JSON Schemas: only keywords that Gemini accepts, and only sizes that can be checked at a bounded cost.

A schema of a few lines can expand to millions: twenty definitions suffice if each refers to the next one twice. So the
expanded size is measured, in one pass over the graph of references, before a validator reads the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote

from shared.domain.answer.plain_json import DEEPEST, levels_and_size

KEYWORDS = (
    "$id", "$defs", "$ref", "$anchor", "$schema", "type", "format", "title", "description", "enum", "const", "items",
    "prefixItems", "minItems", "maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties",
    "additionalProperties", "required", "propertyOrdering", "default", "uniqueItems",
)  # fmt: skip
"""`responseJsonSchema` in the Gemini API's reference, and `const`, which is sent as an `enum` of one. `$schema`,
`default` and `uniqueItems` are not listed there, but Gemini accepts them: pydantic's schemas have them."""
MAX_BYTES = 128 << 10
"""Size of a schema as JSON. It is stored in its task's document, which may have at most 1 MiB."""
MAX_LEVELS = 32
"""Levels of nested subschemas, as written."""
MAX_FOLLOWED_LEVELS = 100
"""Levels of nested subschemas with references followed; a reference to an enclosing schema is not followed."""
MAX_SUBSCHEMAS = 2_000
MAX_EXPANDED = 5_000
"""Subschemas once references are followed."""
MAX_ENUM_VALUES = 1_000
_NAMED = ("properties", "$defs")
_LISTED = ("prefixItems", "anyOf", "oneOf")
_SINGLE = ("items", "additionalProperties")
_IN_PLACE = ("anyOf", "oneOf")
"""These keywords apply to the same value as the schema around them; so does `$ref`."""
_NUMBERS = ("minimum", "maximum", "minItems", "maxItems")
_MAX_ITEMS = 1 << 20
_SHOWN = 60

Pointer = tuple[str, ...]


class Flaw(NamedTuple):
    """Why a schema is refused. `path` names the place, such as `properties.price.pattern`; empty: the whole schema."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass
class _Node:
    """A subschema, with the places of the subschemas that apply to the same value, and to values within it."""

    schema: Mapping[str, Any]
    in_place: list[Pointer] = field(default_factory=list)
    within: list[Pointer] = field(default_factory=list)

    @property
    def all(self) -> list[Pointer]:
        return [*self.in_place, *self.within]


class _TooMuchError(Exception):
    def __init__(self, pointer: Pointer, message: str) -> None:
        super().__init__(message)
        self.flaw = Flaw(".".join(pointer), message)


def limits_flaw(schema: Mapping[str, Any]) -> Flaw | None:
    """Return the first reason to refuse a schema, or None. Takes time linear in the schema's size."""
    try:
        _refuse_what_cannot_be_sent(schema)
        graph = _graph(schema)
        _refuse_endless(graph)
        _refuse_large(graph)
    except _TooMuchError as error:
        return error.flaw
    return None


def evaluations(schema: Mapping[str, Any], levels: int, *, most_steps: int | None = None) -> int | None:
    """Return the most times that a check evaluates any one value at a depth of up to `levels` in an answer.

    Takes one step for each part of the schema and level. Returns None if that is more than `most_steps`, or if
    `limits_flaw` refuses the schema: tasks of an earlier version may have such schemas.
    """
    try:
        graph = _graph(schema)
        _refuse_endless(graph)
    except _TooMuchError:
        return None
    if most_steps is not None and levels * len(graph) > most_steps:
        return None
    order = list(_in_place_first(graph))
    widths: dict[Pointer, int] = {}
    for pointer in order:
        widths[pointer] = 1 + sum(widths[target] for target in graph[pointer].in_place)
    most, reached = widths[()], widths
    for _ in range(levels):
        deeper: dict[Pointer, int] = {}
        for pointer in order:
            node = graph[pointer]
            own = max((reached[target] for target in node.within), default=0)
            deeper[pointer] = own + sum(deeper[target] for target in node.in_place)
        most, reached = max(most, deeper[()]), deeper
    return most


def _refuse_what_cannot_be_sent(schema: Mapping[str, Any]) -> None:
    if levels_and_size(dict(schema))[0] > DEEPEST:
        raise _TooMuchError((), f"it is nested more than {DEEPEST} levels deep")
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise _TooMuchError((), "it holds one half of a surrogate pair, which is no character") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise _TooMuchError((), f"it cannot be written as JSON: {error}") from None
    if len(text) > MAX_BYTES:
        raise _TooMuchError((), f"the schema has {len(text):,} bytes of JSON; at most {MAX_BYTES:,} are taken")


def _graph(schema: Mapping[str, Any]) -> dict[Pointer, _Node]:
    """Every subschema by its place, references resolved."""
    graph: dict[Pointer, _Node] = {}
    anchors: dict[str, Pointer] = {}
    waiting: list[tuple[Pointer, Any, int]] = [((), schema, 0)]
    while waiting:
        pointer, part, level = waiting.pop()
        if isinstance(part, bool):
            part = {}
        if not isinstance(part, Mapping):
            # What says so more clearly is the check that it is a JSON Schema.
            continue
        if level > MAX_LEVELS:
            raise _TooMuchError(pointer, f"the schema is nested more than {MAX_LEVELS} levels deep")
        if len(graph) == MAX_SUBSCHEMAS:
            raise _TooMuchError((), f"the schema has more than {MAX_SUBSCHEMAS:,} parts")
        _refuse_keywords(pointer, part)
        if (anchor := part.get("$anchor")) is not None:
            if anchor in anchors:
                raise _TooMuchError((*pointer, "$anchor"), "two parts of the schema have the same anchor")
            anchors[anchor] = pointer
        node = graph[pointer] = _Node(part)
        for keyword, step, inner in _inner(part):
            place = (*pointer, *step)
            if keyword in _IN_PLACE:
                node.in_place.append(place)
            elif keyword != "$defs":
                node.within.append(place)
            waiting.append((place, inner, level + 1))
    _follow_references(graph, anchors)
    return graph


def _follow_references(graph: dict[Pointer, _Node], anchors: Mapping[str, Pointer]) -> None:
    for pointer, node in graph.items():
        # A value that is not a schema, although a schema is expected here, is left out of the graph.
        node.in_place = [target for target in node.in_place if target in graph]
        node.within = [target for target in node.within if target in graph]
        if "$ref" in node.schema:
            node.in_place.append(_target(pointer, node.schema["$ref"], graph, anchors))


def _inner(schema: Mapping[str, Any]) -> Iterator[tuple[str, Pointer, Any]]:
    for keyword in _NAMED:
        if isinstance(named := schema.get(keyword), Mapping):
            yield from ((keyword, (keyword, str(name)), inner) for name, inner in named.items())
    for keyword in _LISTED:
        if isinstance(listed := schema.get(keyword), list):
            yield from ((keyword, (keyword, str(index)), inner) for index, inner in enumerate(listed))
    for keyword in _SINGLE:
        if keyword in schema:
            yield keyword, (keyword,), schema[keyword]


def _refuse_keywords(pointer: Pointer, schema: Mapping[str, Any]) -> None:
    for keyword in schema:
        if keyword not in KEYWORDS:
            quoted = str(keyword)[:_SHOWN]
            message = f"Gemini does not take the keyword {quoted!r} in a schema. It takes {', '.join(KEYWORDS)}"
            raise _TooMuchError((*pointer, quoted), message)
    if "$ref" in schema and (beside := [word for word in schema if not word.startswith("$")]):
        message = "Gemini takes nothing beside a $ref; write anyOf with the $ref as its only member to say more"
        raise _TooMuchError((*pointer, beside[0]), message)
    for keyword in ("$id", "$anchor", "$schema"):
        if not isinstance(schema.get(keyword, ""), str):
            raise _TooMuchError((*pointer, keyword), "it must be text")
    for keyword in _NUMBERS:
        _refuse_number((*pointer, keyword), schema.get(keyword, 0), most=_MAX_ITEMS if "Items" in keyword else None)
    values = schema.get("enum", [])
    if isinstance(values, list) and len(values) > MAX_ENUM_VALUES:
        message = f"{len(values):,} values; at most {MAX_ENUM_VALUES:,} are taken"
        raise _TooMuchError((*pointer, "enum"), message)
    listed = [(("enum", str(index)), word) for index, word in enumerate(values)] if isinstance(values, list) else []
    for step, value in [*listed, *([(("const",), schema["const"])] if "const" in schema else [])]:
        if isinstance(value, bool | dict | list):
            raise _TooMuchError((*pointer, *step), "Gemini takes only strings and numbers as fixed values")
        _refuse_number((*pointer, *step), value)


def _refuse_number(pointer: Pointer, value: Any, *, most: int | None = None) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    try:
        float(value)
    except OverflowError:
        raise _TooMuchError(pointer, "the number is too large") from None
    if most is not None and value > most:
        raise _TooMuchError(pointer, f"the number is too large; at most {most:,} is taken")


def _target(
    pointer: Pointer, reference: Any, graph: Mapping[Pointer, _Node], anchors: Mapping[str, Pointer]
) -> Pointer:
    place = (*pointer, "$ref")
    if not isinstance(reference, str):
        raise _TooMuchError(place, "a reference is text")
    quoted = reference[:_SHOWN]
    if not reference.startswith("#"):
        raise _TooMuchError(place, f"the reference {quoted} leads out of the schema: write one that begins with #")
    written = unquote(reference[1:])
    if written.startswith("/") or not written:
        steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in written.split("/")[1:])
        target = steps if steps in graph else None
    else:
        target = anchors.get(written)
    if target is None:
        raise _TooMuchError(place, f"the reference {quoted} leads to no part of the schema")
    return target


def _refuse_endless(graph: Mapping[Pointer, _Node]) -> None:
    """Refuse references that lead back to themselves at the same value, since a check would never end."""
    placed = set(_in_place_first(graph))
    for pointer in graph:
        if pointer not in placed:
            raise _TooMuchError(pointer, "its references lead back to itself without a property or item between")


def _in_place_first(graph: Mapping[Pointer, _Node]) -> Iterator[Pointer]:
    """Yield each subschema after those that it applies to the same value. Leave out those that lead to a cycle."""
    open_, users = {pointer: len(node.in_place) for pointer, node in graph.items()}, _users(graph)
    ready = [pointer for pointer, count in open_.items() if count == 0]
    while ready:
        pointer = ready.pop()
        yield pointer
        for user in users.get(pointer, ()):
            open_[user] -= 1
            if open_[user] == 0:
                ready.append(user)


def _users(graph: Mapping[Pointer, _Node]) -> dict[Pointer, list[Pointer]]:
    users: dict[Pointer, list[Pointer]] = {}
    for pointer, node in graph.items():
        for target in node.in_place:
            users.setdefault(target, []).append(pointer)
    return users


def _refuse_large(graph: Mapping[Pointer, _Node]) -> None:
    """Count the schema's parts with all references followed. A reference to an enclosing schema counts once."""
    counted: dict[Pointer, tuple[int, int]] = {}
    entered: set[Pointer] = set()
    waiting: list[Pointer] = [()]
    while waiting:
        pointer = waiting[-1]
        inner = graph[pointer].all
        if pointer not in entered:
            entered.add(pointer)
            waiting += [part for part in inner if part not in entered]
            continue
        waiting.pop()
        if pointer in counted:
            continue
        sizes = [counted.get(part, (1, 1)) for part in inner]
        size = 1 + sum(size for size, _ in sizes)
        levels = 1 + max((levels for _, levels in sizes), default=0)
        if size > MAX_EXPANDED:
            message = f"with its references followed, the schema has more than {MAX_EXPANDED:,} parts"
            raise _TooMuchError(pointer, message)
        if levels > MAX_FOLLOWED_LEVELS:
            message = f"with its references followed, the schema is more than {MAX_FOLLOWED_LEVELS} levels deep"
            raise _TooMuchError(pointer, message)
        counted[pointer] = (size, levels)
