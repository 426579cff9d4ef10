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
from functions.generate.model.spending import reserve_cost
from shared.domain.answer.response import Json
from shared.domain.checks import Again, Failed, Step
from shared.domain.money.calls import call_of
from shared.domain.recipe import unstructured
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran
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
    steps = [await step_of(deps, rounds, name) for name in rounds[0].question_names]
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


def recipe_of_rounds(rounds: Sequence[Round]) -> Ran | None:
    """Return the recipe snapshot of earlier rounds. A takeover keeps it, even if the recipe file has changed since."""
    return rounds[0].question.ran if rounds else None


async def ask_questions(
    deps: GenerateDeps, lease: Lease, questions: Sequence[Question], earlier: Sequence[Round]
) -> list[Round]:
    """Ask the open questions in order; stop at the first one that fails. Return all rounds."""
    rounds = list(earlier)
    names = tuple(question.name for question in questions)
    await share_in_cache(deps, lease, [question for question in questions if await _open(deps, rounds, question)])
    for question in questions:
        while (step := await step_of(deps, rounds, question.name)) is None or isinstance(step, Again):
            await refuse_if_throttled(deps, question.model)
            number, following = len(rounds), with_service_tier(deps, lease, _next(question, step))
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
    """Return the question with the step's turns. A continuation has no schema: it begins in the middle of the JSON."""
    if step is None:
        return question
    contents = cast(list[Json], question.body["contents"])
    body: Json = {**question.body, "contents": [*contents, *step.turns]}
    return question.model_copy(update={"body": unstructured(body) if step.kind == "continue" else body})


def _round(record: Json) -> Round:
    stored_question = cast(Json, record["question"])
    return Round(
        claim=cast(int, record["claim"]),
        number=cast(int, record["round"]),
        question=Question.model_validate({**stored_question, "body": {}}),
        question_names=tuple(cast(list[str], record["asked"])),
        response=cast(Json, record["response"]),
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
