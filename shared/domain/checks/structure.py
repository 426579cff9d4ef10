"""Is a structured answer what was asked for? Its JSON, its schema, and what to send to have it mended once."""

from __future__ import annotations

import json
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.outputs.markup import unfenced
from shared.domain.schemas import misfits
from shared.domain.transcript import is_transcript, segments


class Structured(NamedTuple):
    """The value, and where it does not fit; `problems` is empty where all is well."""

    value: JsonValue
    problems: tuple[str, ...]


def read(text: str, schema: dict[str, JsonValue]) -> Structured:
    """The answer as JSON (a ``` fence around it is forgiven), judged by the schema; times of segments must be times."""
    try:
        value: JsonValue = json.loads(unfenced(text).strip(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Structured(None, (f"the answer is not JSON: {error}",))
    problems = misfits(value, schema)
    if not problems and is_transcript(value):
        try:
            segments(value)
        except ValueError as error:
            problems = [str(error)]
    return Structured(value, tuple(problems))


def repair_prompt(problems: tuple[str, ...]) -> str:
    """What is said to the model, once, about an answer that does not fit."""
    listed = "\n".join(f"- {problem}" for problem in problems)
    return (
        f"Your answer does not fit the JSON schema that it must follow:\n{listed}\n\n"
        "Answer again, in full, with JSON that fits. Keep everything that was right."
    )


def _no_constant(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON value")
