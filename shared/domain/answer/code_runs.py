"""Extract the code that the model ran, and its output, and render both as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import JsonValue

from shared.domain.answer import response as answer
from shared.domain.answer.response import Json


def code_runs(candidate: Json) -> list[Json]:
    """Return each run with its `language`, `code`, `outcome` and `output`."""
    runs: list[Json] = []
    for part in answer.parts(candidate):
        code, result = part.get("executableCode"), part.get("codeExecutionResult")
        if isinstance(code, dict):
            language = str(code.get("language") or "").lower().removeprefix("language_unspecified")
            runs.append({"language": language, "code": code.get("code") or ""})
        if isinstance(result, dict):
            if not runs or "outcome" in runs[-1]:
                runs.append({"language": "", "code": ""})
            outcome = str(result.get("outcome") or "").lower().removeprefix("outcome_")
            runs[-1] |= {"outcome": outcome, "output": result.get("output") or ""}
    return runs


def as_markdown(message: Json) -> str:
    """Render the runs of a ChatCompletion's message as Markdown; empty if there are none."""
    runs = message.get("code_execution")
    paragraphs = [block for run in (runs if isinstance(runs, list) else []) for block in _blocks(run)]
    return "\n\n".join(["", "Code that was run:", *paragraphs]) + "\n" if paragraphs else ""


def _blocks(run: JsonValue) -> Iterator[str]:
    if not isinstance(run, dict):
        return
    if code := str(run.get("code") or ""):
        yield _fenced(code, str(run.get("language") or ""))
    if "outcome" in run:
        output = str(run.get("output") or "")
        failed = "" if run["outcome"] == "ok" else f" ({run['outcome']})"
        yield f"Output{failed}:" if output.strip() else f"Output{failed}: none"
        if output.strip():
            yield _fenced(output, "")


def _fenced(text: str, language: str) -> str:
    """Wrap text in a fence that is longer than any within."""
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
