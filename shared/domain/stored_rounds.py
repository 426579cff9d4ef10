"""Stored rounds: decide which of them count, which results they give, and whether they settle the task.

A task whose claims were taken over may have several records of one round. A takeover reads all records, and continues
from the rounds that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from shared.domain.answer.response import Json
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, Step
from shared.domain.recipe.question import Question
from shared.domain.recipe.snapshot import questions_of
from shared.domain.recipe.wire import unstructured
from shared.domain.splitting.plan import Part, Span
from shared.domain.tasks.task import Ran


class Round(NamedTuple):
    """One billed call of a question, with its response."""

    claim: int
    """The fencing token of the claim that made the call."""
    number: int
    """Counted from 0 over all questions of the task."""
    question: Question
    """The question without its body."""
    question_names: tuple[str, ...]
    """The names of all questions of the task."""
    response: Json


def round_of(record: Json) -> Round:
    """Return the round that a stored record describes."""
    question = Question.model_validate({**cast(Json, record["question"]), "body": {}})
    return Round(
        claim=cast(int, record["claim"]),
        number=cast(int, record["round"]),
        question=question,
        question_names=tuple(cast(list[str], record["asked"])),
        response=cast(Json, record["response"]),
    )


def counted_rounds(rounds: Iterable[Round]) -> list[Round]:
    """Return one round for each number from 0 on, as the newest claim saw them.

    If an earlier claim and a later one stored the same round, the later record counts. The list ends before a missing
    number, and before a round whose claim is older than the claim of the previous round: the newer claim did not see
    that round, and continued without it.
    """
    newest = {entry.number: entry for entry in sorted(rounds, key=lambda entry: (entry.claim, entry.number))}
    line: list[Round] = []
    for number in range(len(newest)):
        following = newest.get(number)
        if following is None or (line and following.claim < line[-1].claim):
            break
        line.append(following)
    return line


def rounds_of_question(rounds: Iterable[Round], name: str) -> list[Round]:
    return [entry for entry in rounds if entry.question.name == name]


def is_open(step: Step | None) -> bool:
    """Return whether a question needs a call: it was not asked yet, or is to be asked again."""
    return step is None or isinstance(step, AskAgain)


def all_settled(steps: Sequence[Step | None]) -> bool:
    """Return whether every result of a task is final, or one of them has failed. `steps`: one for each result."""
    return any(isinstance(step, Failed) for step in steps) or not any(is_open(step) for step in steps)


def result_names(rounds: Sequence[Round]) -> tuple[str, ...]:
    """Return the names of the questions that have a result each. Questions about parts of a file are not among them."""
    first = rounds[0]
    if first.question.part is None:
        return first.question_names
    return tuple(question.name for question in questions_of(first.question.ran))


def result_name_of(question: Question) -> str:
    """Return the name of the result that the answer to `question` belongs to."""
    return question.name if question.part is None else question.part.question


def question_of_result(rounds: Iterable[Round], name: str) -> Question:
    """Return the question that was asked for a result; of a split file the one about its first part."""
    return next(entry.question for entry in rounds if name == result_name_of(entry.question))


def part_of_result(rounds: Iterable[Round], name: str) -> Part | None:
    """Return a part that was asked about for a result; None if none was asked about yet."""
    return next((entry.question.part for entry in rounds if result_name_of(entry.question) == name), None)


def recipe_of_rounds(rounds: Sequence[Round]) -> Ran | None:
    """Return the recipe snapshot of earlier rounds. A takeover keeps it, even if the recipe file has changed since."""
    return rounds[0].question.ran if rounds else None


def next_question(question: Question, step: AskAgain | None) -> Question:
    """Return the question with the step's turns. A continuation has no schema: it begins in the middle of the JSON.

    Transcribing models, and models that make speech, vectors or pictures, take no turns: they are asked the same again.
    """
    if step is None:
        return question
    body: Json = question.body if step.token is None else {**question.body, "continuationToken": step.token}
    if "transcription" not in question.ran.snapshot and question.makes is None:
        contents = cast(list[Json], body["contents"])
        body = {**body, "contents": [*contents, *step.turns]}
        body = unstructured(body) if step.kind == "continue" else body
    return question.model_copy(update={"body": body})


def failure_of_part(step: Failed, span: Span) -> Failed:
    """Return the failure of a result, one of whose parts has failed. Its message names the part."""
    return Failed(step.code, f"{span.label}: {step.message}")


def with_schema_problem(joined: CompleteAnswer, problems: Sequence[str]) -> CompleteAnswer:
    """Return answers about parts, joined by rule, with a warning if together they do not fit the schema."""
    if not problems:
        return joined
    misfit = f"The answers about the parts fit their schema, but together they do not: {problems[0]}."
    return joined._replace(warnings=(*joined.warnings, misfit))


def with_warnings_of_parts(joined: CompleteAnswer, answers: Sequence[CompleteAnswer]) -> CompleteAnswer:
    """Return the model's joined answer with the warnings about the answers that it joins."""
    return joined._replace(warnings=(*(warning for whole in answers for warning in whole.warnings), *joined.warnings))
