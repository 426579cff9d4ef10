"""A task's questions, asked in rounds: each round is one billed call, stored before the next.

    tasks/{id}/answer-{claim}-{round}.json     what was asked (but for the inputs), and the response as it came

A takeover reads the rounds of the claims before it and goes on where they end; a round that is stored is never paid
for again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from functions.generate.lease import Lease
from functions.generate.model.answer_store import kept
from functions.generate.model.call import ask, refuse_if_throttled
from functions.generate.model.context_cache import share
from shared.domain.answer.response import Json
from shared.domain.checks import Again, Failed, Step
from shared.domain.recipe import unstructured
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran, Task
from shared.wiring import GenerateDeps


class Round(NamedTuple):
    claim: int
    number: int
    question: Question
    """Without its body."""
    asked: tuple[str, ...]
    """The names of all questions of the task."""
    response: Json


async def earlier_rounds(deps: GenerateDeps, task: Task) -> list[Round]:
    """What the claims before this one asked and stored, in order."""
    if task.token == 1:
        return []
    return _in_line([_round(record) for record in await kept(deps, task)])


async def settled(deps: GenerateDeps, rounds: Sequence[Round]) -> bool:
    """Whether nothing is left to be asked."""
    if not rounds:
        return False
    steps = [await step_of(deps, rounds, name) for name in rounds[0].asked]
    return any(isinstance(step, Failed) for step in steps) or not any(
        step is None or isinstance(step, Again) for step in steps
    )


async def step_of(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> Step | None:
    """What follows for one question; None where it was not asked yet."""
    mine = [each for each in rounds if each.question.name == name]
    if not mine:
        return None
    asked = mine[0].question
    return await deps.judge.next_step(
        [each.response for each in mine],
        asked.response_schema,
        continuations=asked.continuations,
        repairs=asked.repairs,
    )


def ran_before(rounds: Sequence[Round]) -> Ran | None:
    """What the earlier rounds asked: a takeover goes on with the same, whatever the recipes say by now."""
    return rounds[0].question.ran if rounds else None


async def ask_all(
    deps: GenerateDeps, lease: Lease, questions: Sequence[Question], earlier: Sequence[Round]
) -> list[Round]:
    """Ask what is still open; the first question that fails ends it."""
    rounds = list(earlier)
    names = tuple(question.name for question in questions)
    await share(deps, lease, [question for question in questions if await _open(deps, rounds, question)])
    for question in questions:
        while (step := await step_of(deps, rounds, question.name)) is None or isinstance(step, Again):
            await refuse_if_throttled(deps, question.model)
            number = len(rounds)
            record = await ask(deps, lease, _next(question, step), number=number, asked=names)
            rounds.append(_round(record))
            lease.gained = True
        if isinstance(step, Failed):
            break
    return rounds


async def _open(deps: GenerateDeps, rounds: Sequence[Round], question: Question) -> bool:
    step = await step_of(deps, rounds, question.name)
    return step is None or isinstance(step, Again)


def _next(question: Question, step: Again | None) -> Question:
    """The question with the turns that the step adds. A continuation is not held to a form: it begins in the middle."""
    if step is None:
        return question
    contents = cast(list[Json], question.body["contents"])
    body: Json = {**question.body, "contents": [*contents, *step.turns]}
    return question.model_copy(update={"body": unstructured(body) if step.kind == "continue" else body})


def _round(record: Json) -> Round:
    asked = cast(Json, record["question"])
    return Round(
        claim=cast(int, record["claim"]),
        number=cast(int, record["round"]),
        question=Question.model_validate({**asked, "body": {}}),
        asked=tuple(cast(list[str], record["asked"])),
        response=cast(Json, record["response"]),
    )


def _in_line(rounds: list[Round]) -> list[Round]:
    """One round of each number, as the newest claim went on from it; one that was overtaken may have stored more."""
    line: list[Round] = []
    newest: dict[int, Round] = {}
    for each in sorted(rounds, key=lambda each: (each.claim, each.number)):
        newest[each.number] = each
    for number in range(len(newest)):
        following = newest.get(number)
        if following is None or (line and following.claim < line[-1].claim):
            break
        line.append(following)
    return line
