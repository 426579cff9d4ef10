"""A large input that several questions share: sent once into a context cache, which each question names instead.

    no cache ─▶ create ─▶ recorded on the task ─▶ prolonged where it is used long ─▶ deleted by the after-work

A takeover finds it on the task and goes on with it. Nothing depends on it: where it cannot be made, or is not taken,
the questions are asked with the file, and one that is left behind expires by itself within minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from pydantic import JsonValue

from functions.generate.holding import Holding
from shared.cloud.telemetry import log
from shared.domain.answer import Json
from shared.domain.errors import TaskFailure
from shared.domain.question import Question
from shared.domain.task import GeminiCache
from shared.wiring import Generate

_KEPT = timedelta(minutes=10)
_PROLONGED_WITHIN = timedelta(minutes=4)
"""A question that starts with less than this left prolongs it first."""
_HELD = ("systemInstruction", "tools", "toolConfig")
"""What a request that names a cache may not carry itself."""


async def share(road: Generate, held: Holding, questions: Sequence[Question]) -> None:
    """See that `held.cache` is what the open `questions` share, where that is worth it."""
    if not questions or not questions[0].cacheable:
        held.cache = None
        return
    question = questions[0]
    holds = _digest(question)
    recorded = held.cache
    if recorded is not None and recorded.holds == holds and recorded.expires_at > road.clock.now():
        return
    held.cache = None
    if len(questions) < 2:
        return
    try:
        name, tokens = await road.gemini.create_cache(
            question.model, _shared(question.body), kept=_KEPT, display_name=f"{held.task.key}-{held.token}"
        )
    except TaskFailure as failure:
        log("INFO", "cache_not_made", failure.message, task=held.task.id)
        return
    held.cache = GeminiCache(name=name, holds=holds, expires_at=road.clock.now() + _KEPT)
    await held.renew()
    log("INFO", "cache_made", f"{tokens:,} tokens for {len(questions)} questions", task=held.task.id)


async def prolong(road: Generate, held: Holding) -> None:
    """See that the cache outlasts the start of a question."""
    cache = held.cache
    if cache is None or cache.expires_at - road.clock.now() > _PROLONGED_WITHIN:
        return
    try:
        await road.gemini.prolong_cache(cache.name, kept=_KEPT)
    except TaskFailure as failure:
        log("INFO", "cache_not_prolonged", failure.message, task=held.task.id)
        held.cache = None
    else:
        held.cache = cache.model_copy(update={"expires_at": road.clock.now() + _KEPT})


def naming(cache: GeminiCache, body: Json) -> Json:
    """The body with what the cache holds left out."""
    first, *later = cast(list[Json], body["contents"])
    _, said = _apart(first)
    rest = {name: value for name, value in body.items() if name not in _HELD}
    return {**rest, "contents": [{**first, "parts": said}, *later], "cachedContent": cache.name}


def _shared(body: Json) -> Json:
    """What all questions about the same files have in common: the files, the system instruction and the tools."""
    media, _ = _apart(cast(list[Json], body["contents"])[0])
    held = {name: body[name] for name in _HELD if name in body}
    return {"contents": [{"role": "user", "parts": media}], **held}


def _apart(content: Json) -> tuple[list[JsonValue], list[JsonValue]]:
    """The media of a turn, and what is said of them."""
    parts = cast(list[Json], content["parts"])
    return [part for part in parts if "fileData" in part], [part for part in parts if "fileData" not in part]


def _digest(question: Question) -> str:
    whole = json.dumps([question.model, _shared(question.body)], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()
