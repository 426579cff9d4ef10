"""Asking the model, once: the answer is stored before anything else is done with it, and used again by a takeover."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import cast

from pydantic import JsonValue

from functions.generate.holding import Holding
from shared.cloud.throttle import Note
from shared.domain import answer
from shared.domain.answer import Json
from shared.domain.claims import Outcome
from shared.domain.completion import completion, usage_by_modality
from shared.domain.errors import Blocked, DailyQuotaSpent, PermanentFailure, Postponement, Throttled
from shared.domain.question import Question
from shared.domain.task import Pointer, Ran, Task
from shared.wiring import Generate

_RESULTS_IN_DOCUMENT = 256 << 10
"""Bytes of results JSON that a document holds; larger ones live in the results bucket (a document ends at 1 MiB)."""
_BLOCKED_NOTE = timedelta(seconds=60)


async def earlier_answer(road: Generate, task: Task) -> Json | None:
    """The answer that an earlier claim stored but did not live to commit."""
    if task.token == 1:
        return None
    newest: str | None = None
    async for found in road.storage.listing(road.settings.results_bucket, f"tasks/{task.id}/answer-"):
        newest = found.name
    if newest is None:
        return None
    raw = await road.storage.read(road.settings.results_bucket, newest)
    return None if raw is None else cast(Json, json.loads(raw))


async def stand_by(road: Generate, model: str) -> None:
    """Raise the refusal that stands for `model`, rather than call into it."""
    note = await road.throttle.standing(model)
    if note is not None:
        delay = (note.until - road.clock.now()).total_seconds()
        refusal = {"daily_quota": DailyQuotaSpent, "blocked": Blocked}.get(note.reason, Throttled)
        raise refusal(note.detail, delay=delay)


async def ask(road: Generate, held: Holding, question: Question) -> Json:
    """One billed call. Returns the stored record: what ran, and the response as the API gave it."""
    try:
        pieces = [
            piece
            async for piece in road.gemini.stream(question.model, question.body, timeout=max(1.0, held.seconds_left))
        ]
    except Postponement as refusal:
        await warn_others(road, question.model, refusal)
        raise
    record: Json = {
        "task": held.task.id,
        "claim": held.token,
        "ran": cast(JsonValue, question.ran.model_dump()),
        "model": question.model,
        "reasoning": question.reasoning,
        "response": answer.join(pieces),
    }
    await road.storage.write(
        road.settings.results_bucket,
        f"tasks/{held.task.id}/answer-{held.token:06d}.json",
        json.dumps(record, ensure_ascii=False).encode(),
        "application/json",
        only_if_absent=True,
    )
    return record


async def warn_others(road: Generate, model: str, refusal: Postponement) -> None:
    """Leave a note for the other dispatches, so that they wait too."""
    if refusal.reason in ("rate_limited", "daily_quota", "blocked"):
        delay = _BLOCKED_NOTE if refusal.delay is None else timedelta(seconds=refusal.delay)
        await road.throttle.warn(model, Note(road.clock.now() + delay, refusal.reason, refusal.message))


async def outcome_of(road: Generate, task: Task, record: Json) -> Outcome:
    """What a stored answer amounts to; raises where it is no answer."""
    response = cast(Json, record["response"])
    model = str(record["model"])
    if (reason := answer.block_reason(response)) and not answer.candidates(response):
        raise PermanentFailure(
            "content_policy_violation", f"Gemini blocked the prompt ({reason}). Nothing was answered."
        )
    candidates = answer.candidates(response)
    if not candidates:
        raise PermanentFailure("upstream_error", "Gemini answered without a candidate.")
    first = candidates[0]
    if not answer.parts(first) and answer.finish_reason(first) in answer.BLOCKED_REASONS:
        reason = answer.finish_reason(first)
        raise PermanentFailure("content_policy_violation", f"Gemini stopped before the first word ({reason}).")
    result = completion(
        response,
        task_id=task.id,
        created=int(task.created_at.timestamp()),
        model=model,
        reasoning=bool(record.get("reasoning")),
    )
    encoded = json.dumps([result], ensure_ascii=False).encode()
    pointer = None
    if len(encoded) > _RESULTS_IN_DOCUMENT:
        pointer = Pointer(
            name=f"tasks/{task.id}/results.json", size=len(encoded), sha256=hashlib.sha256(encoded).hexdigest()
        )
        await road.storage.write(road.settings.results_bucket, pointer.name, encoded, "application/json")
    return Outcome(
        results=None if pointer else (result,),
        results_pointer=pointer,
        usage=usage_by_modality(response),
        warnings=_warnings(first),
        ran=Ran.model_validate(record["ran"]),
        model=model,
    )


def _warnings(candidate: Json) -> tuple[str, ...]:
    match answer.finish_reason(candidate):
        case "MAX_TOKENS":
            return ("The answer ended at the token limit: it is not complete.",)
        case reason if reason in answer.BLOCKED_REASONS:
            return (f"The model stopped early ({reason}): the answer is not complete.",)
        case _ if not answer.parts(candidate):
            return ("The model's answer is empty.",)
        case _:
            return ()
