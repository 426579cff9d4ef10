"""Schemas of a few KB that cost, unbounded, seconds or gigabytes; and what a child process measures of them."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

Schema = dict[str, Any]
ROOT = Path(__file__).parents[4]


def doubling(levels: int) -> Schema:
    """Each definition names the next one twice: 2 to the power of `levels` leaves."""
    steps = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {"type": "string"}}}


def many_patterns() -> Schema:
    """Every regular expression unfolds to megabytes of its automaton."""
    return {"type": "object", "patternProperties": {rf"^\p{{L}}{{{n}}}$": {"type": "string"} for n in range(100, 240)}}


def unevaluated(levels: int) -> Schema:
    """Each level asks the level below it, twice, which properties it has looked at."""
    steps = {
        f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2, "unevaluatedProperties": False} for n in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {"type": "object"}}}


def nested_twice() -> Schema:
    """A few lines whose check doubles with each level of the answer."""
    branch = {"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}}
    return {"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [branch, branch]}}}


HOSTILE: dict[str, Schema] = {
    "references that double": doubling(20),
    "references that double without end": doubling(900),
    "properties that double": {
        "$ref": "#/$defs/a0",
        "$defs": {
            **{
                f"a{n}": {"type": "object", "properties": {name: {"$ref": f"#/$defs/a{n + 1}"} for name in "pq"}}
                for n in range(20)
            },
            "a20": {"type": "string"},
        },
    },
    "items that double": {
        "$ref": "#/$defs/a0",
        "$defs": {
            **{
                f"a{n}": {"prefixItems": [{"$ref": f"#/$defs/a{n + 1}"}] * 3, "items": {"$ref": f"#/$defs/a{n + 1}"}}
                for n in range(20)
            },
            "a20": {},
        },
    },
    "everything names everything": {
        "$ref": "#/$defs/a0",
        "$defs": {f"a{n}": {"anyOf": [{"items": {"$ref": f"#/$defs/a{m}"}} for m in range(25)]} for n in range(25)},
    },
    "patterns": many_patterns(),
    "unevaluated properties": unevaluated(16),
    "a reference to itself": {"$ref": "#"},
    "references in a circle": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"oneOf": [{"$ref": "#/$defs/a"}]}},
    },
    "a long chain": {
        "$ref": "#/$defs/a0",
        "$defs": {**{f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(900)}, "a900": {}},
    },
    "deep nesting": json.loads('{"items":' * 90 + "{}" + "}" * 90),
    "deep nesting of a value": {"type": "array", "default": json.loads("[" * 150 + "]" * 150)},
    "many parts": {"type": "object", "properties": {f"p{n}": {} for n in range(3_000)}},
    "many values": {"enum": [str(n) for n in range(5_000)]},
    "long words": {"type": "string", "description": "x" * 200_000},
    "numbers of many digits": {"type": "integer", "minimum": 10**400},
    "words that hide a schema": {"$ref": "#/default", "default": {"patternProperties": {"a": {}}}},
}


class Measured(NamedTuple):
    seconds: float
    """Of the processor, all schemas together."""
    mebibytes: float
    """The largest resident size."""
    refused: list[str]


def judged_in_a_child(function: str, schemas: dict[str, Schema]) -> Measured:
    """What it costs to call `function` (`module:name`, of one schema) with each; a call that raises is a refusal."""
    code = f"import sys; from tests.shared.domain.request.hostile_schemas import measure; measure({function!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, input=json.dumps(schemas), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Measured(*json.loads(done.stdout))


def _peak_mebibytes() -> float:
    """Of this process. `ru_maxrss` would be that of the process that started it, if that is larger."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(function: str) -> None:
    """The child's end of `judged_in_a_child`."""
    from importlib import import_module

    module, name = function.split(":")
    call = getattr(import_module(module), name)
    schemas = json.load(sys.stdin)
    before = resource.getrusage(resource.RUSAGE_SELF)
    refused = [title for title, schema in schemas.items() if call(schema)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    json.dump([seconds, _peak_mebibytes(), refused], sys.stdout)


def refused_by_recipe(schema: Schema) -> str | None:
    """Whether a recipe file says no to the schema, once as a table's text."""
    from shared.domain.recipe.book import check

    text = json.dumps(json.dumps(schema))
    problems = check(
        f'[[recipe]]\nname = "a"\ntakes = "text"\nprompt = "p"\noutputs = "json"\nresponse_schema = {text}\n'
    )
    return str(problems[0]) if problems else None


def refused_by_request(schema: Schema) -> str | None:
    from shared.domain.errors import RequestRefused
    from shared.domain.request.validation import read_and_check

    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    messages = []
    for field in ({"response_format": form}, {"tools": tools}):
        body = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hi"}], **field}
        try:
            read_and_check(json.dumps(body).encode(), date(2026, 11, 26))
        except RequestRefused as refused:
            messages.append(f"{refused.code}: {refused.message}")
    assert len(messages) != 1, "a schema is refused in one place and taken in the other"
    assert all(message.startswith("invalid_param: ") for message in messages)
    return messages[0] if messages else None


def unfit_answers_to(schema: Schema) -> list[str]:
    """Where answers do not fit, large ones among them."""
    from shared.domain.answer.schemas import violations

    wrapped = {"type": "array", "items": schema, "$defs": schema.pop("$defs")}
    return violations(["x"] * 50_000 + [3], wrapped) + violations([3], wrapped)
