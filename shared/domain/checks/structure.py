"""Is a structured answer what was asked for? Its JSON, its schema, and what to send to have it mended once.

What has one meaning is put right first (`mending`): only what has not is asked for again.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.checks import mending
from shared.domain.outputs.markup import in_fence, unfenced
from shared.domain.schemas import misfits
from shared.domain.transcript import is_transcript, segments

_DEEPEST = 100
"""Levels: what is nested deeper is a model caught in a loop, and more than can be written out again."""
_LONGEST = 1_000_000.0
"""Seconds: no recording is longer."""


class Structured(NamedTuple):
    """The value, and where it does not fit; `problems` is empty where all is well."""

    value: JsonValue
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """What was put right in the value, as sentences; empty where it is as the model gave it."""


def read(text: str, schema: dict[str, JsonValue]) -> Structured:
    """The answer as JSON (a ``` fence around it is forgiven), judged by the schema; times of segments must be times."""
    if not text.strip():
        return Structured(None, ("the answer is empty",))
    try:
        value = _parsed(text.strip().removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Structured(None, (f"the answer is not JSON: {error}",))
    if _deeper_than(value, _DEEPEST):
        return Structured(None, (f"the answer is nested more than {_DEEPEST} levels deep",))
    return _judged(value, schema)


def _judged(value: JsonValue, schema: dict[str, JsonValue]) -> Structured:
    """The value with what is odd put right, if the schema takes that; and with what it refuses, if need be."""
    mended, remarks = mending.times_and_boxes(value)
    problems = _problems(mended, schema)
    if not problems:
        return Structured(mended, (), remarks)
    if remarks and not _problems(value, schema):
        # What looks odd is what the schema asks for.
        return Structured(value, ())
    for fitted, more in mending.to_schema(mended, schema):
        timed, times = mending.times_and_boxes(fitted)
        if more and not _problems(timed, schema):
            return Structured(timed, (), (*remarks, *more, *times))
    return Structured(mended, problems)


def _problems(value: JsonValue, schema: dict[str, JsonValue]) -> tuple[str, ...]:
    problems = misfits(value, schema)
    if not problems and is_transcript(value):
        problems = _false_times(value)
    return tuple(problems)


def repair_prompt(problems: tuple[str, ...]) -> str:
    """What is said to the model, once, about an answer that does not fit."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Your answer does not fit the JSON schema that it must follow:\n{listed}\n\n"
        "Answer again, in full, with JSON that fits. Keep everything that was right."
    )


def _parsed(text: str) -> JsonValue:
    try:
        return _json(unfenced(text))
    except ValueError:
        inside = in_fence(text, "json")
        if inside is None:
            raise
        return _json(inside)


def _json(text: str) -> JsonValue:
    value: JsonValue = json.loads(text.strip(), parse_constant=_no_constant, parse_float=_finite)
    return value


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON value")


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written} is too large a number")
    return number


def _deeper_than(value: JsonValue, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(each, levels - 1) for each in inner)


def _false_times(value: JsonValue) -> list[str]:
    try:
        far = next((each for each in segments(value) if max(each.start, each.end or 0) > _LONGEST), None)
    except (ValueError, OverflowError) as error:
        return [str(error)]
    return [] if far is None else [f"{max(far.start, far.end or 0):g} seconds are past the end of any recording"]
