"""Ask about the parts of a split file, one after the other, and join their answers.

    part 1 ─▶ each question ─▶ stored      part 2 ─▶ …      ─▶ joined by rule, or by one more stored call

A part is cut and uploaded right before its questions. A part that has all its answers is not cut or asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from functions.generate.lease import Lease
from functions.generate.model.rounds import ask_questions, step_of
from functions.generate.question.split import AskedInParts
from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.checks.rounds import CompleteAnswer, Failed
from shared.domain.errors import PermanentFailure
from shared.domain.recipe.question import Question
from shared.domain.splitting.plan import part_name
from shared.domain.splitting.row_counts import counting_question
from shared.domain.stored_rounds import Round


async def ask_parts(deps: GenerateDeps, lease: Lease, split: AskedInParts, earlier: Sequence[Round]) -> list[Round]:
    """Ask the open questions about each part, then the question that joins the answers; stop at the first failure.

    Return all rounds.
    """
    rounds = list(earlier)
    await split.prepare(rounds[0].question.part if rounds else None)
    names, count = split.names, len(split.plan)
    for number in range(1, count + 1):
        steps = [await step_of(deps, rounds, name) for name in split.names_of_part(number)]
        if not all(isinstance(step, CompleteAnswer) for step in steps):
            if lease.slot is not None:
                await lease.slot.take()
            questions = await split.questions_of_part(number)
            if await split.is_counted(number):
                rounds = await _count_rows(deps, lease, counting_question(questions[0]), rounds, names)
            rounds = await ask_questions(deps, lease, questions, rounds, names)
            steps = [await step_of(deps, rounds, name) for name in split.names_of_part(number)]
        lease.progress = max(lease.progress, 50 + 45 * number // count)
        if any(isinstance(step, Failed) for step in steps):
            return rounds
    for recipe_question in split.asked_to_join:
        answers = [
            await step_of(deps, rounds, part_name(recipe_question.name, number, count))
            for number in range(1, count + 1)
        ]
        question = split.joining_question(recipe_question, cast(list[CompleteAnswer], answers))
        rounds = await ask_questions(deps, lease, [question], rounds, names)
    return rounds


async def _count_rows(
    deps: GenerateDeps, lease: Lease, question: Question, rounds: list[Round], names: tuple[str, ...]
) -> list[Round]:
    """Ask how many rows a part has. If this question fails, the part is answered without a count."""
    try:
        return await ask_questions(deps, lease, [question], rounds, names)
    except PermanentFailure as failure:
        log("WARNING", "rows_not_counted", failure.summary, task=lease.task.id)
        return rounds
