"""Ask a task's questions in rounds: each round is one billed call, stored before the next.

    tasks/{id}/answer-{claim}-{round}.json     what was asked (but for the inputs), and the response as it came

A takeover reads the rounds of the claims before it and goes on where they end; a round that is stored is never paid
for again.
"""

from __future__ import annotations

from collections.abc import Sequence

from functions.generate.lease import Lease
from functions.generate.model.answer_store import load_answers
from functions.generate.model.call import call_model, refuse_if_throttled
from functions.generate.model.context_cache import share_in_cache
from functions.generate.model.service_tier import with_service_tier
from functions.generate.model.spending import reserve_cost, with_ceiling
from shared.domain.answer.response import Json
from shared.domain.checks import Again, Failed, Step, Whole
from shared.domain.money.calls import call_of
from shared.domain.recipe.question import Question
from shared.domain.splitting.joining import append_answers, join_answers
from shared.domain.splitting.plan import Part, part_name
from shared.domain.stored_rounds import (
    Round,
    all_settled,
    counted_rounds,
    failure_of_part,
    is_open,
    next_question,
    part_of_result,
    question_of_result,
    result_name_of,
    result_names,
    round_of,
    rounds_of_question,
    with_schema_problem,
    with_warnings_of_parts,
)
from shared.off_loop import off_loop
from shared.wiring import GenerateDeps


async def load_rounds(deps: GenerateDeps, lease: Lease) -> list[Round]:
    """Return the rounds that earlier claims stored, in order. What all of them cost goes into the ledger."""
    lease.calls = []
    if lease.token == 1:
        return []
    records = await load_answers(deps, lease.task)
    lease.calls = [call_of(record) for record in records]
    return counted_rounds(round_of(record) for record in records)


async def is_settled(deps: GenerateDeps, rounds: Sequence[Round]) -> bool:
    """Return whether every question has its final answer, or one has failed for good."""
    if not rounds:
        return False
    steps = [await step_of_result(deps, rounds, name) for name in result_names(rounds)]
    return all_settled(steps)


async def step_of(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """Return what follows from the rounds of one question; None if it was not asked yet."""
    mine = rounds_of_question(rounds, name)
    if not mine:
        return None
    first_question = mine[0].question
    return await deps.judge.next_step(
        [entry.response for entry in mine],
        first_question.response_schema,
        continuations=first_question.continuations,
        repairs=first_question.repairs,
    )


async def step_of_result(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """Return what follows for one result; None if a question that it needs was not asked yet."""
    if rounds[0].question.part is None:
        return await step_of(deps, rounds, name)
    part = part_of_result(rounds, name)
    if part is None:
        return None
    answers: list[Whole] = []
    for number, span in enumerate(part.plan, 1):
        step = await step_of(deps, rounds, part_name(name, number, len(part.plan)))
        if isinstance(step, Failed):
            return failure_of_part(step, span)
        if not isinstance(step, Whole):
            return step
        answers.append(step)
    return await _joined(deps, rounds, part, answers)


async def _joined(deps: GenerateDeps, rounds: Sequence[Round], part: Part, answers: list[Whole]) -> Step | None:
    if part.join != "ask":
        schema = question_of_result(rounds, part.question).response_schema
        joined = await off_loop(join_answers, part.join, answers, part.plan)
        if schema is None:
            return joined
        return with_schema_problem(joined, (await deps.judge.read(joined.text, schema)).problems)
    step = await step_of(deps, rounds, part_name(part.question, 0, len(part.plan)))
    if isinstance(step, Failed):
        return await off_loop(append_answers, answers, part.plan, step.message)
    if isinstance(step, Whole):
        return with_warnings_of_parts(step, answers)
    return step


async def last_response(deps: GenerateDeps, rounds: Sequence[Round]) -> Json:
    """Return the response that stream readers get: the last one, or that of all parts."""
    last = rounds[-1]
    step = None if last.question.part is None else await step_of_result(deps, rounds, result_name_of(last.question))
    return step.response if isinstance(step, Whole) else last.response


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
    steps = [await step_of(deps, rounds, question.name) for question in questions]
    await share_in_cache(
        deps, lease, [question for question, step in zip(questions, steps, strict=True) if is_open(step)]
    )
    for question in questions:
        while (step := await step_of(deps, rounds, question.name)) is None or isinstance(step, Again):
            await refuse_if_throttled(deps, question.model)
            number = len(rounds)
            following = with_ceiling(deps, with_service_tier(deps, lease, next_question(question, step)))
            await reserve_cost(deps, lease, following)
            record = await call_model(deps, lease, following, number=number, question_names=names)
            rounds.append(round_of(record))
            lease.gained = True
        if isinstance(step, Failed):
            break
    return rounds
