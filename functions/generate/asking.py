"""Asking the model, once: the answer is stored before anything else is done with it, and used again by a takeover."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from pydantic import JsonValue

from functions.generate.holding import Holding
from functions.generate.keeping import keep
from functions.generate.telling import telling
from shared.cloud.throttle import Note
from shared.domain import answer
from shared.domain.answer import Json
from shared.domain.errors import Blocked, DailyQuotaSpent, Postponement, Throttled
from shared.domain.question import Question
from shared.wiring import Generate

_BLOCKED_NOTE = timedelta(seconds=60)


async def stand_by(road: Generate, model: str) -> None:
    """Raise the refusal that stands for `model`, rather than call into it."""
    note = await road.throttle.standing(model)
    if note is not None:
        delay = (note.until - road.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)


async def ask(
    road: Generate, held: Holding, question: Question, *, number: int = 0, asked: tuple[str, ...] = ("",)
) -> Json:
    """One billed call, the task's round `number`. Returns the stored record: what was asked, and the whole response.

    `asked` names all questions of the task.
    """
    async with telling(road, held, reasoning=question.reasoning) as readers:
        pieces: list[Json] = []
        try:
            async for piece in road.gemini.stream(question.model, question.body, timeout=max(1.0, held.seconds_left)):
                pieces.append(piece)
                readers.heard(piece)
        except Postponement as refusal:
            await warn_others(road, question.model, refusal)
            raise
        record: Json = {
            "task": held.task.id,
            "claim": held.token,
            "round": number,
            "asked": list(asked),
            "question": cast(JsonValue, question.model_dump(mode="json", exclude={"body"})),
            "response": answer.join(pieces),
        }
        await keep(road, held, number, record)
    return record


async def warn_others(road: Generate, model: str, refusal: Postponement) -> None:
    """Leave a note for the other dispatches, so that they wait too."""
    if refusal.reason in ("rate_limited", "daily_quota", "blocked"):
        delay = _BLOCKED_NOTE if refusal.delay is None else timedelta(seconds=refusal.delay)
        await road.throttle.warn(model, Note(road.clock.now() + delay, refusal.reason, refusal.message))
