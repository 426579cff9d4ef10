"""Ask a task's questions in rounds: each round is one billed call, stored before the next.

    tasks/{id}/answer-{claim}-{round}.json     what was asked (but for the inputs), and the response as it came

A takeover reads the rounds of the claims before it and goes on where they end; a round that is stored is never paid
for again. Nor is a part of an answer up to a continuation token: the next round is the same request with the token.
"""

from __future__ import annotations

from collections.abc import Sequence

from functions.generate.lease import Lease
from functions.generate.model.answer_store import load_answers
from functions.generate.model.call import GoingOn, call_model, refuse_if_throttled
from functions.generate.model.context_cache import share_in_cache
from functions.generate.model.service_tier import with_service_tier
from functions.generate.model.spending import reserve_cost, with_ceiling
from functions.generate.model.stream_chunks import Answered
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.answer.continuation import (
    MAX_AT_LIMIT,
    Origin,
    billed_records,
    hops_joined,
    is_broken,
    resumed_from,
    standing_of,
    text_so_far,
    whole_records,
    without_tokens,
)
from shared.domain.answer.made import step_of_making
from shared.domain.answer.response import Json
from shared.domain.answer.words import write_transcript
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed, Step
from shared.domain.money.calls import call_of
from shared.domain.recipe.question import Question
from shared.domain.service_errors import TokenRefused
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
from shared.domain.text_size import text_size
from shared.off_loop import off_loop

_SMALL = 1 << 19
"""Characters of questions up to which a task that waits for the model gives its slot away. A longer one stays in memory
meanwhile, several times: of those, an instance has only as many as it has slots."""


async def load_rounds(deps: GenerateDeps, lease: Lease) -> list[Round]:
    """Return the rounds that earlier claims stored, in order. Enter the cost of all of them in the ledger."""
    lease.calls = []
    if lease.token == 1:
        return []
    records = await load_answers(deps, lease.task)
    lease.calls = [call_of(record) for record in await off_loop(billed_records, records)]
    return counted_rounds(round_of(record) for record in await off_loop(whole_records, records, deps.clock.now()))


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
    question = mine[0].question
    past_limit = question.continuations if question.max_tokens else max(MAX_AT_LIMIT, question.continuations)
    standing = await off_loop(
        standing_of,
        [entry.response for entry in mine],
        most_tokens=question.max_tokens,
        past_limit=past_limit,
    )
    # What goes on by its token is the same request again, with the turns that it had.
    answers = standing.responses if standing.token is None else standing.responses[:-1]
    if question.is_timed_by_model:
        answers = [await off_loop(write_transcript, response) for response in answers]
    step = None
    if answers:
        step = await deps.judge.next_step(
            answers,
            question.response_schema,
            continuations=0 if standing.is_spent else question.continuations,
            repairs=question.repairs,
        )
    if question.makes is not None and answers:
        step = step_of_making(step, question.makes, answers[-1])
    if standing.token is None:
        return step
    return step._replace(token=standing.token) if isinstance(step, AskAgain) else AskAgain("again", (), standing.token)


async def step_of_result(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """Return the next step for one result; None if one of its questions was not asked yet."""
    if rounds[0].question.part is None:
        return await step_of(deps, rounds, name)
    part = part_of_result(rounds, name)
    if part is None:
        return None
    answers: list[CompleteAnswer] = []
    for number, span in enumerate(part.plan, 1):
        step = await step_of(deps, rounds, part_name(name, number, len(part.plan)))
        if isinstance(step, Failed):
            return failure_of_part(step, span) if len(part.plan) > 1 else step
        if not isinstance(step, CompleteAnswer):
            return step
        answers.append(step)
    return await _joined(deps, rounds, part, answers)


async def _joined(
    deps: GenerateDeps, rounds: Sequence[Round], part: Part, answers: list[CompleteAnswer]
) -> Step | None:
    if part.join != "ask":
        schema = question_of_result(rounds, part.question).response_schema
        joined = await off_loop(join_answers, part.join, answers, part.plan)
        if schema is None:
            return joined
        return with_schema_problem(joined, (await deps.judge.read(joined.text, schema)).problems)
    step = await step_of(deps, rounds, part_name(part.question, 0, len(part.plan)))
    if isinstance(step, Failed):
        return await off_loop(append_answers, answers, part.plan, step.message)
    if isinstance(step, CompleteAnswer):
        return with_warnings_of_parts(step, answers)
    return step


async def answers_for_readers(deps: GenerateDeps, rounds: Sequence[Round]) -> list[Answered]:
    """Return the answers for stream readers: one for each answer that the request wants."""
    answers: list[Answered] = []
    for choice in range(rounds[-1].question.choices):
        mine = [entry for entry in rounds if entry.question.choice == choice]
        answers.append(Answered(choice, await _last_response(deps, mine), mine[-1].claim))
    return answers


async def _last_response(deps: GenerateDeps, rounds: Sequence[Round]) -> Json:
    """Return the last response to a question, or the joined response of all parts."""
    last = rounds[-1]
    if last.question.part is None and last.question.is_timed_by_model:
        # They are told the words as they come, not the transcript that is made of them.
        return hops_joined([entry.response for entry in rounds_of_question(rounds, last.question.name)])[-1]
    is_joined = last.question.part is not None or resumed_from(last.response) is not None
    step = await step_of_result(deps, rounds, result_name_of(last.question)) if is_joined else None
    return step.response if isinstance(step, CompleteAnswer) else last.response


def _waits_without_slot(questions: Sequence[Question]) -> bool:
    """Return whether the slot is free while the model answers. A call that makes speech or a picture takes its own."""
    is_small = sum(text_size(question.body) for question in questions) <= _SMALL
    return is_small or any(question.makes is not None for question in questions)


async def ask_questions(
    deps: GenerateDeps,
    lease: Lease,
    questions: Sequence[Question],
    earlier: Sequence[Round],
    names: tuple[str, ...] | None = None,
) -> list[Round]:
    """Ask the open questions in order; stop at the first one that fails. Return all rounds.

    `names`: the names of all questions of the task, if `questions` are only some of them. While long questions wait for
    the model, the task holds a slot.
    """
    if lease.slot is not None:
        if _waits_without_slot(questions):
            lease.slot.give_back()
        else:
            await lease.slot.take()
    rounds = list(earlier)
    names = names or tuple(question.name for question in questions)
    steps = [await step_of(deps, rounds, question.name) for question in questions]
    await share_in_cache(
        deps, lease, [question for question, step in zip(questions, steps, strict=True) if is_open(step)]
    )
    for question in questions:
        while (step := await step_of(deps, rounds, question.name)) is None or isinstance(step, AskAgain):
            await refuse_if_throttled(deps, question.model)
            following = with_ceiling(deps, with_service_tier(deps, lease, next_question(question, step)))
            await reserve_cost(deps, lease, following)
            rounds = await _with_round(deps, lease, following, rounds, step, names)
        if isinstance(step, Failed):
            break
    return rounds


async def _with_round(
    deps: GenerateDeps,
    lease: Lease,
    question: Question,
    rounds: list[Round],
    step: AskAgain | None,
    names: tuple[str, ...],
) -> list[Round]:
    """Return the rounds with one more; if its continuation token is refused, the same without the token."""
    last = max((at for at, entry in enumerate(rounds) if entry.question.name == question.name), default=None)
    going_on = None
    if step is not None and step.token is not None and last is not None:
        origin = Origin(rounds[last].claim, rounds[last].number, step.token)
        mine = rounds_of_question(rounds, question.name)
        so_far = await off_loop(text_so_far, [entry.response for entry in mine])
        going_on = GoingOn(origin, so_far, is_broken(rounds[last].response))
    # Without a step, readers of the stream have words of an answer that cannot be gone on with.
    silent = step is None and last is not None
    try:
        record = await call_model(
            deps, lease, question, number=len(rounds), question_names=names, going_on=going_on, silent=silent
        )
    except TokenRefused as refused:
        if going_on is None or last is None:
            raise
        log("WARNING", "token_refused", refused.summary, task=lease.task.id)
        stripped = rounds[last]._replace(response=without_tokens(rounds[last].response))
        return [*rounds[:last], stripped, *rounds[last + 1 :]]
    lease.gained = True
    return [*rounds, round_of(record)]
