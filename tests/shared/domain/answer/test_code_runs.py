"""Code that the model ran is told with what came of it, and is readable whatever it holds."""

from __future__ import annotations

from typing import cast

from pydantic import JsonValue

from shared.domain.answer.code_runs import as_markdown, code_runs
from shared.domain.answer.response import Json


def candidate(*parts: Json) -> Json:
    return {"content": {"role": "model", "parts": cast(JsonValue, list(parts))}}


def code(text: str) -> Json:
    return {"executableCode": {"language": "PYTHON", "code": text}}


def result(outcome: str, output: str | None) -> Json:
    return {"codeExecutionResult": {"outcome": outcome, **({} if output is None else {"output": output})}}


def test_each_run_has_its_code_and_what_came_of_it() -> None:
    answer = candidate(
        {"text": "Let me see."},
        code("1 / 0"),
        result("OUTCOME_FAILED", "boom"),
        code("print()"),
        result("OUTCOME_OK", None),
    )
    assert code_runs(answer) == [
        {"language": "python", "code": "1 / 0", "outcome": "failed", "output": "boom"},
        {"language": "python", "code": "print()", "outcome": "ok", "output": ""},
    ]


def test_a_run_that_was_cut_off_and_a_result_without_its_code_are_told_too() -> None:
    assert code_runs(candidate(code("a"), code("b"))) == [
        {"language": "python", "code": "a"},
        {"language": "python", "code": "b"},
    ]
    assert code_runs(candidate(result("OUTCOME_OK", "x"), result("OUTCOME_OK", "y"))) == [
        {"language": "", "code": "", "outcome": "ok", "output": "x"},
        {"language": "", "code": "", "outcome": "ok", "output": "y"},
    ]


def test_runs_are_readable_in_markdown_whatever_they_hold() -> None:
    runs: JsonValue = [
        {"language": "python", "code": 'print("```")\n', "outcome": "failed", "output": "boom\n"},
        {"language": "python", "code": "pass", "outcome": "ok", "output": ""},
    ]
    assert as_markdown({"code_execution": runs}) == (
        '\n\nCode that was run:\n\n````python\nprint("```")\n````\n\nOutput (failed):\n\n```\nboom\n```'
        "\n\n```python\npass\n```\n\nOutput: none\n"
    )


def test_an_answer_without_code_says_nothing_of_it() -> None:
    assert code_runs(candidate({"text": "Hi"})) == []
    assert as_markdown({"content": "Hi"}) == ""
