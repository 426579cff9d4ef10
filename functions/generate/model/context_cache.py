"""A large input that several questions share: sent once into a context cache, which each question names instead.

    questions of one recipe    create ─▶ recorded on the task ─▶ prolonged where it is used long ─▶ deleted at its end
    a rerun within the hour    find, or create ─▶ … ─▶ left for the next rerun, which finds it by name, until it expires

A takeover finds the cache on the task and goes on with it. Nothing depends on it: where it cannot be made, or is not
taken, the questions are asked with the file, and one that is left behind expires by itself within minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from pydantic import JsonValue

from functions.generate.lease import Lease
from shared.cloud.telemetry import log
from shared.domain.answer.response import Json
from shared.domain.errors import TaskFailure
from shared.domain.media import Facts
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model
from shared.domain.models.tokens import Resolution
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import GeminiCache
from shared.wiring import GenerateDeps

_KEPT = timedelta(minutes=10)
_LEFT = timedelta(minutes=5)
"""For another rerun: five minutes of storage cost less than half of what sending the input once more would."""
_MARGIN = timedelta(seconds=30)
"""What a found cache must still live for, to be prolonged in time."""
_PROLONGED_WITHIN = 0.4
"""A question that starts with less than this share of its time left prolongs it first."""
_HELD = ("systemInstruction", "tools", "toolConfig")
"""What a request that names a cache may not carry itself."""


def cacheable(model: Model | None, files: Sequence[Facts], resolution: Resolution | None) -> bool:
    """Whether these files may be held in a context cache. `model` None: one that the catalogue does not know.

    A media resolution is a setting of each question; how media in a cache would heed it is not documented.
    """
    if model is None or not model.can("caching") or resolution is not None:
        return False
    return sum(tokens.estimate(facts, model) for facts in files) >= tokens.least_cached(model)


async def share(deps: GenerateDeps, lease: Lease, questions: Sequence[Question]) -> None:
    """See that `held.cache` is what the open `questions` share, where that is worth it."""
    if not questions or not questions[0].cacheable:
        lease.cache = None
        return
    question, now = questions[0], deps.clock.now()
    holds = _digest(question)
    recorded = lease.cache
    if recorded is not None and recorded.holds == holds and recorded.expires_at > now:
        return
    lease.cache = None
    if len(questions) < 2 and not lease.task.asked_lately:
        return
    try:
        if lease.task.asked_lately:
            lease.cache = await _found_or_made(deps, question, holds)
        else:
            lease.cache = await _made(deps, question, holds, f"{lease.task.key}-{lease.token}", _KEPT)
    except TaskFailure as failure:
        log("INFO", "cache_not_made", failure.message, task=lease.task.id)
        return
    await lease.renew()


async def _found_or_made(deps: GenerateDeps, question: Question, holds: str) -> GeminiCache:
    """What an earlier rerun left, or a cache that the next one may find."""
    name = f"{deps.settings.environment}-{holds[:40]}"
    found = await deps.gemini.find_cache(name)
    if found is not None and found[1] > deps.clock.now() + _MARGIN:
        log("INFO", "cache_found", f"{found[0]} holds {', '.join(question.sources)}")
        return GeminiCache(name=found[0], holds=holds, expires_at=found[1], left=True)
    made = await _made(deps, question, holds, name, _LEFT)
    return made.model_copy(update={"left": True})


async def _made(deps: GenerateDeps, question: Question, holds: str, display_name: str, kept: timedelta) -> GeminiCache:
    name, tokens = await deps.gemini.create_cache(
        question.model, _shared(question.body), kept=kept, display_name=display_name
    )
    log("INFO", "cache_made", f"{name}: {tokens:,} tokens of {', '.join(question.sources)}")
    return GeminiCache(name=name, holds=holds, expires_at=deps.clock.now() + kept)


async def prolong(deps: GenerateDeps, lease: Lease) -> None:
    """See that the cache outlasts the start of a question."""
    cache = lease.cache
    if cache is None:
        return
    kept = _LEFT if cache.left else _KEPT
    if cache.expires_at - deps.clock.now() > kept * _PROLONGED_WITHIN:
        return
    try:
        await deps.gemini.prolong_cache(cache.name, kept=kept)
    except TaskFailure as failure:
        log("INFO", "cache_not_prolonged", failure.message, task=lease.task.id)
        lease.cache = None
    else:
        lease.cache = cache.model_copy(update={"expires_at": deps.clock.now() + kept})


def naming(cache: GeminiCache, body: Json) -> Json:
    """The body with what the cache holds left out."""
    first, *later = cast(list[Json], body["contents"])
    _, said = _apart(first)
    rest = {name: value for name, value in body.items() if name not in _HELD}
    return {**rest, "contents": [{**first, "parts": said}, *later], "cachedContent": cache.name}


def _shared(body: Json) -> Json:
    """What all questions about the same files have in common: the files, the system instruction and the tools."""
    media, _ = _apart(cast(list[Json], body["contents"])[0])
    lease = {name: body[name] for name in _HELD if name in body}
    return {"contents": [{"role": "user", "parts": media}], **lease}


def _apart(content: Json) -> tuple[list[JsonValue], list[JsonValue]]:
    """The media of a turn, and what is said of them."""
    parts = cast(list[Json], content["parts"])
    return [part for part in parts if "fileData" in part], [part for part in parts if "fileData" not in part]


def _digest(question: Question) -> str:
    """Of what the cache holds, whatever the names are under which the files were handed over this time."""
    shared = _shared(question.body)
    media = cast(list[Json], cast(list[Json], shared["contents"])[0]["parts"])
    named = [{**part, "fileData": source} for part, source in zip(media, question.sources, strict=True)]
    whole = json.dumps([question.model, {**shared, "contents": cast(JsonValue, named)}], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()
