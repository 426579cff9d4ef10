"""Ask a task's questions in rounds: each round is one billed call, stored before the next.

    tasks/{id}/answer-{claim}-{round}.json     what was asked (but for the inputs), and the response as it came

A takeover reads the rounds of the claims before it and goes on where they end; a round that is stored is never paid
for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from functions.generate.lease import Lease
from functions.generate.model.answer_store import load_answers
from functions.generate.model.call import call_model, refuse_if_throttled
from functions.generate.model.context_cache import share_in_cache
from functions.generate.model.service_tier import with_service_tier
from functions.generate.model.spending import reserve_cost, with_ceiling
from shared.domain.answer.response import Json
from shared.domain.answer.words import write_transcript
from shared.domain.checks import Again, Failed, Step, Whole
from shared.domain.money.calls import call_of
from shared.domain.recipe import unstructured
from shared.domain.recipe.question import Question
from shared.domain.recipe.snapshot import questions_of
from shared.domain.splitting.joining import append_answers, join_answers
from shared.domain.splitting.plan import Part, part_name
from shared.domain.tasks.task import Ran
from shared.off_loop import off_loop
from shared.wiring import GenerateDeps


class Round(NamedTuple):
    claim: int
    number: int
    question: Question
    """The question without its body."""
    question_names: tuple[str, ...]
    """The names of all questions of the task."""
    response: Json


async def load_rounds(deps: GenerateDeps, lease: Lease) -> list[Round]:
    """Return the rounds that earlier claims stored, in order. What all of them cost goes into the ledger."""
    lease.calls = []
    if lease.token == 1:
        return []
    records = await load_answers(deps, lease.task)
    lease.calls = [call_of(record) for record in records]
    return _in_line([_round(record) for record in records])


async def is_settled(deps: GenerateDeps, rounds: Sequence[Round]) -> bool:
    """Return whether every question has its final answer, or one has failed for good."""
    if not rounds:
        return False
    steps = [await step_of_result(deps, rounds, name) for name in result_names(rounds)]
    return any(isinstance(step, Failed) for step in steps) or not any(
        step is None or isinstance(step, Again) for step in steps
    )


async def step_of(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """Return what follows from the rounds of one question; None if it was not asked yet."""
    mine = [round_ for round_ in rounds if round_.question.name == name]
    if not mine:
        return None
    first_question = mine[0].question
    return await deps.judge.next_step(
        [round_.response for round_ in mine],
        first_question.response_schema,
        continuations=first_question.continuations,
        repairs=first_question.repairs,
    )


def result_names(rounds: Sequence[Round]) -> tuple[str, ...]:
    """Return the names of the task's questions, of which each has one result; those about parts are not among them."""
    first = rounds[0]
    if first.question.part is None:
        return first.question_names
    return tuple(question.name for question in questions_of(first.question.ran))


def question_of_result(rounds: Sequence[Round], name: str) -> Question:
    """Return the question that was asked for a result; of a split file the one about its first part."""
    return next(entry.question for entry in rounds if name == _result_of(entry.question))


def _result_of(question: Question) -> str:
    return question.name if question.part is None else question.part.question


async def step_of_result(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """Return what follows for one result; None if a question that it needs was not asked yet."""
    if rounds[0].question.part is None:
        return await step_of(deps, rounds, name)
    part = next((entry.question.part for entry in rounds if _result_of(entry.question) == name), None)
    if part is None:
        return None
    answers: list[Whole] = []
    for number, span in enumerate(part.plan, 1):
        step = await step_of(deps, rounds, part_name(name, number, len(part.plan)))
        if isinstance(step, Failed):
            return Failed(step.code, f"{span.label}: {step.message}")
        if not isinstance(step, Whole):
            return step
        answers.append(step)
    return await _joined(deps, rounds, part, answers)


async def _joined(deps: GenerateDeps, rounds: Sequence[Round], part: Part, answers: list[Whole]) -> Step | None:
    if part.join != "ask":
        schema = question_of_result(rounds, part.question).response_schema
        joined = await off_loop(join_answers, part.join, answers, part.plan)
        judged = await deps.judge.read(joined.text, schema) if schema is not None else None
        if judged is not None and judged.problems:
            misfit = f"The answers about the parts fit their schema, but together they do not: {judged.problems[0]}."
            joined = joined._replace(warnings=(*joined.warnings, misfit))
        return joined
    step = await step_of(deps, rounds, part_name(part.question, 0, len(part.plan)))
    if isinstance(step, Failed):
        return await off_loop(append_answers, answers, part.plan, step.message)
    if isinstance(step, Whole):
        return step._replace(warnings=(*(warning for whole in answers for warning in whole.warnings), *step.warnings))
    return step


async def last_response(deps: GenerateDeps, rounds: Sequence[Round]) -> Json:
    """Return the response that stream readers get: the last one, or that of all parts."""
    last = rounds[-1]
    step = None if last.question.part is None else await step_of_result(deps, rounds, _result_of(last.question))
    return step.response if isinstance(step, Whole) else last.response


def recipe_of_rounds(rounds: Sequence[Round]) -> Ran | None:
    """Return the recipe snapshot of earlier rounds. A takeover keeps it, even if the recipe file has changed since."""
    return rounds[0].question.ran if rounds else None


async def ask_questions(
    deps: GenerateDeps,
    lease: Lease,
    questions: Sequence[Question],
    earlier: Sequence[Round],
    names: tuple[str, ...] | None = None,
) -> list[Round]:
    """Ask the open questions in order; stop at the first one that fails. Return all rounds.

    `names` are those of all questions of the task, if these are not all.
    """
    rounds = list(earlier)
    names = names or tuple(question.name for question in questions)
    await share_in_cache(deps, lease, [question for question in questions if await _open(deps, rounds, question)])
    for question in questions:
        while (step := await step_of(deps, rounds, question.name)) is None or isinstance(step, Again):
            await refuse_if_throttled(deps, question.model)
            number = len(rounds)
            following = with_ceiling(deps, with_service_tier(deps, lease, _next(question, step)))
            await reserve_cost(deps, lease, following)
            record = await call_model(deps, lease, following, number=number, question_names=names)
            rounds.append(_round(record))
            lease.gained = True
        if isinstance(step, Failed):
            break
    return rounds


async def _open(deps: GenerateDeps, rounds: Sequence[Round], question: Question) -> bool:
    step = await step_of(deps, rounds, question.name)
    return step is None or isinstance(step, Again)


def _next(question: Question, step: Again | None) -> Question:
    """Return the question with the step's turns. A continuation has no schema: it begins in the middle of the JSON.

    A transcribing model takes no turns: it is asked the same once more.
    """
    if step is None or "transcription" in question.ran.snapshot:
        return question
    contents = cast(list[Json], question.body["contents"])
    body: Json = {**question.body, "contents": [*contents, *step.turns]}
    return question.model_copy(update={"body": unstructured(body) if step.kind == "continue" else body})


def _round(record: Json) -> Round:
    question = Question.model_validate({**cast(Json, record["question"]), "body": {}})
    response = cast(Json, record["response"])
    return Round(
        claim=cast(int, record["claim"]),
        number=cast(int, record["round"]),
        question=question,
        question_names=tuple(cast(list[str], record["asked"])),
        response=write_transcript(response) if question.is_timed_by_model else response,
    )


def _in_line(rounds: list[Round]) -> list[Round]:
    """Return one round per number, as the newest claim saw them. A claim that was taken over may have stored others."""
    line: list[Round] = []
    newest: dict[int, Round] = {}
    for round_ in sorted(rounds, key=lambda round_: (round_.claim, round_.number)):
        newest[round_.number] = round_
    for number in range(len(newest)):
        following = newest.get(number)
        if following is None or (line and following.claim < line[-1].claim):
            break
        line.append(following)
    return line
