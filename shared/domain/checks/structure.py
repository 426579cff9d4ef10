"""Is a structured answer what was asked for? Its JSON, its schema, and what to send to have it mended once."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer import Json
from shared.domain.outputs.markup import in_fence, unfenced
from shared.domain.plain_json import parse_loosely, whole_characters
from shared.domain.schemas import fits, is_quick, misfits
from shared.domain.transcript import is_transcript, segments

_QUICK_CHARACTERS = 128 << 10
"""Of an answer that is read in a few milliseconds."""
_LONGEST = 1_000_000.0
"""Seconds: no recording is longer."""


class Structured(NamedTuple):
    """The value, and where it does not fit; `problems` is empty where all is well."""

    value: JsonValue
    problems: tuple[str, ...]


def read(text: str, schema: dict[str, JsonValue]) -> Structured:
    """Return the answer as JSON (a ``` fence around it is forgiven), judged by the schema.

    Times of segments must be times. With a large answer, or one that does not fit, this may take seconds and hundreds
    of MiB: see `read_quickly`.
    """
    value, problem = _value(text)
    if problem is not None:
        return Structured(None, (problem,))
    return Structured(value, tuple(misfits(value, schema) or _false_times(value)))


def read_quickly(text: str, schema: dict[str, JsonValue]) -> Structured | None:
    """Return what `read` returns, or None if that is not sure to take a few milliseconds only."""
    if len(text) > _QUICK_CHARACTERS:
        return None
    value, problem = _value(text)
    if problem is not None:
        return Structured(None, (problem,))
    if not is_quick(value, schema) or not fits(value, schema):
        return None
    return Structured(value, tuple(_false_times(value)))


def read_in_sandbox(arguments: Json, payload: bytes, source: Any) -> tuple[JsonValue, bytes]:
    """`read` as a function of the sandbox: `arguments` is the schema, `payload` the answer's text."""
    value, problems = read(payload.decode(), cast(dict[str, JsonValue], arguments["schema"]))
    return [value, list(problems)], b""


def too_costly(reason: str) -> Structured:
    """An answer whose check was stopped: it is deeply nested, or its schema has very many alternatives."""
    return Structured(None, (f"whether the answer fits its schema could not be found out ({reason}); nest it less",))


def repair_prompt(problems: tuple[str, ...]) -> str:
    """What is said to the model, once, about an answer that does not fit."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Your answer does not fit the JSON schema that it must follow:\n{listed}\n\n"
        "Answer again, in full, with JSON that fits. Keep everything that was right."
    )


def _value(text: str) -> tuple[JsonValue, str | None]:
    """The answer's value, and what is wrong with it."""
    if not text.strip():
        return None, "the answer is empty"
    try:
        return whole_characters(_parsed(text.strip().removeprefix("\ufeff"))), None
    except ValueError as error:
        return None, f"the answer is not JSON: {error}"


def _parsed(text: str) -> JsonValue:
    try:
        return parse_loosely(unfenced(text).strip())
    except ValueError:
        inside = in_fence(text, "json")
        if inside is None:
            raise
        return parse_loosely(inside.strip())


def _false_times(value: JsonValue) -> list[str]:
    if not is_transcript(value):
        return []
    try:
        far = next((each for each in segments(value) if max(each.start, each.end or 0) > _LONGEST), None)
    except (ValueError, OverflowError) as error:
        return [str(error)]
    return [] if far is None else [f"{max(far.start, far.end or 0):g} seconds are past the end of any recording"]
