"""Check a structured answer: its JSON, its schema, and the prompt that asks for a corrected one.

Unambiguous mistakes are repaired first (see `repairs`). The model is asked again only if that does not suffice.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer.plain_json import parse_loosely, whole_characters
from shared.domain.answer.response import Json
from shared.domain.answer.schemas import fits, is_quick, violations
from shared.domain.answer.transcript import is_transcript, segments
from shared.domain.checks import repairs
from shared.domain.outputs.markup import fence_content, unfenced

_QUICK_CHARACTERS = 128 << 10
"""The longest answer that is checked within a few milliseconds."""
_LONGEST = 1_000_000.0
"""Seconds: no recording is longer."""


class Structured(NamedTuple):
    """The value of a structured answer; `problems` is empty if it fits its schema."""

    value: JsonValue
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    """What was repaired in the value, as sentences."""


def read(text: str, schema: dict[str, JsonValue]) -> Structured:
    """Parse the answer as JSON, with or without a ``` fence, and check it against the schema.

    Times of segments must be times. With a large answer, or one that does not fit, this may take seconds and hundreds
    of MiB: see `read_quickly`.
    """
    value, problem = _value(text)
    if problem is not None:
        return Structured(None, (problem,))
    return _judged(value, schema)


def read_quickly(text: str, schema: dict[str, JsonValue]) -> Structured | None:
    """Return the result of `read`, or None if computing it might take more than a few milliseconds."""
    if len(text) > _QUICK_CHARACTERS:
        return None
    value, problem = _value(text)
    if problem is not None:
        return Structured(None, (problem,))
    repaired, remarks = repairs.repair_times_and_boxes(value)
    if not is_quick(repaired, schema) or not fits(repaired, schema) or _impossible_times(repaired):
        return None
    return Structured(repaired, (), remarks)


def read_in_sandbox(arguments: Json, payload: bytes, source: Any) -> tuple[JsonValue, bytes]:
    """`read` as a function of the sandbox: `arguments` is the schema, `payload` the answer's text."""
    value, problems, remarks = read(payload.decode(), cast(dict[str, JsonValue], arguments["schema"]))
    return [value, list(problems), list(remarks)], b""


def too_costly(reason: str) -> Structured:
    """Return the result for an answer whose check was stopped because it took too long or too much memory."""
    return Structured(None, (f"whether the answer fits its schema could not be found out ({reason}); nest it less",))


def _judged(value: JsonValue, schema: dict[str, JsonValue]) -> Structured:
    """Return the value, repaired where needed and where the schema accepts the repair."""
    repaired, remarks = repairs.repair_times_and_boxes(value)
    problems = _problems(repaired, schema)
    if not problems:
        return Structured(repaired, (), remarks)
    if remarks and not _problems(value, schema):
        # The schema accepts the original value, so it was no mistake.
        return Structured(value, ())
    for fitted, more in repairs.repair_to_schema(repaired, schema):
        timed, times = repairs.repair_times_and_boxes(fitted)
        if more and not _problems(timed, schema):
            return Structured(timed, (), (*remarks, *more, *times))
    return Structured(repaired, problems)


def _problems(value: JsonValue, schema: dict[str, JsonValue]) -> tuple[str, ...]:
    return tuple(violations(value, schema) or _impossible_times(value))


def repair_prompt(problems: tuple[str, ...]) -> str:
    """Return the prompt that asks once for an answer that fits."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Your answer does not fit the JSON schema that it must follow:\n{listed}\n\n"
        "Answer again, in full, with JSON that fits. Keep everything that was right."
    )


def _value(text: str) -> tuple[JsonValue, str | None]:
    """Parse the answer; return its value, and what is wrong with its JSON."""
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
        inside = fence_content(text, "json")
        if inside is None:
            raise
        return parse_loosely(inside.strip())


def _impossible_times(value: JsonValue) -> list[str]:
    if not is_transcript(value):
        return []
    try:
        far = next((segment for segment in segments(value) if max(segment.start, segment.end or 0) > _LONGEST), None)
    except (ValueError, OverflowError) as error:
        return [str(error)]
    return [] if far is None else [f"{max(far.start, far.end or 0):g} seconds are past the end of any recording"]
