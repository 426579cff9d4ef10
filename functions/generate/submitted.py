"""What a request asks: its messages, with each medium brought from where it lies and handed over to Gemini."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from functions.generate.asking import make_sure_of, notices, stand_by
from functions.generate.caching import cacheable
from functions.generate.holding import Holding
from functions.generate.supply import Supply
from functions.generate.window import count_where_nearly_full
from shared.domain.answer import Json
from shared.domain.errors import FailureCode, PermanentFailure, RequestRefused
from shared.domain.question import About, Question
from shared.domain.request import (
    Handed,
    Inline,
    Input,
    StoredInput,
    Submission,
    body,
    completed,
    inputs_of,
    read,
    unfit,
)
from shared.domain.request.schema import JsonSchemaAnswer
from shared.domain.task import Ran, Task
from shared.wiring import Generate

_CONTINUATIONS = 3
"""Of an answer that ended at the model's own limit; never past a `max_tokens`."""


async def question_of_request(road: Generate, held: Holding) -> Question:
    task = held.task
    submission, inputs = await _request_of(road, task)
    held.model, held.ran = submission.model, _ran(task, submission)
    await stand_by(road, submission.model)
    await make_sure_of(road, submission.model)
    supply = Supply(road, held, submission, sum(each.size for each in inputs if isinstance(each, Inline)))
    handed: list[Handed] = []
    for index, each in enumerate(inputs):
        handed.append(await supply.hand_over(each, index))
        held.progress = max(held.progress, 50 * (index + 1) // len(inputs))
    asked = body(submission, handed)
    await count_where_nearly_full(road, supply.model, asked, supply.facts, submission.media_resolution)
    form = submission.response_format
    return Question(
        model=submission.model,
        body=asked,
        ran=held.ran,
        reasoning=submission.reasoning or bool(_thoughts_wanted(submission)),
        response_schema=form.json_schema.schema_ if isinstance(form, JsonSchemaAnswer) else None,
        # What readers were told cannot be taken back, nor said again.
        continuations=0 if submission.stream or submission.max_tokens is not None else _CONTINUATIONS,
        repairs=0 if submission.stream else 1,
        cacheable=_cacheable(asked, submission, supply),
        sources=tuple(supply.sources or ()),
        about=About(warnings=(*supply.remarks, *notices(road, submission.model))),
    )


async def _request_of(road: Generate, task: Task) -> tuple[Submission, list[Input]]:
    """The request, read again as it was checked when it came; a manifest is checked here for the first time."""
    source = task.source
    text = await road.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        raise PermanentFailure("source_gone", f"{source.uri} was deleted or overwritten before it could be read.")
    try:
        submission = completed(read(text))
        inputs = inputs_of(submission)
        if (refused := unfit(submission, inputs)) is not None:
            raise refused
        _may_be_read(road, task, inputs)
    except RequestRefused as refused:
        where = f"{refused.param}: " if refused.param and not refused.message.startswith(refused.param) else ""
        code: FailureCode = "invalid_manifest" if source.kind == "manifest" else "invalid_param"
        raise PermanentFailure(code, f"{where}{refused.message}") from refused
    return submission, inputs


def _may_be_read(road: Generate, task: Task, inputs: list[Input]) -> None:
    """Of a manifest: only what its folder may name. The api has checked what a key may name."""
    own = (road.settings.requests_bucket, road.settings.results_bucket, road.settings.source_bucket)
    allowed = road.settings.manifest_sources.get(task.owner.partition(":")[2], ())
    for each in inputs:
        if not isinstance(each, StoredInput):
            continue
        foreign = task.source.kind == "manifest" and not each.uri.startswith(allowed or ("\0",))
        if each.bucket in own or foreign:
            message = f"{each.param}: manifests of {task.owner} may not name {each.uri}."
            raise RequestRefused(403, "permission_error", "source_not_allowed", message, param=each.param)


def _ran(task: Task, submission: Submission) -> Ran:
    """What stands on the task: settings, never the prompt or inline data; those are in the request object."""
    shown = submission.model_dump(
        mode="json",
        by_alias=True,
        exclude_defaults=True,
        exclude={"audio_url", "messages", "prompt", "system_prompt", "callback_url", "metadata", "sync"},
    )
    digest = task.request.sha256 if task.request else hashlib.sha256(json.dumps(shown).encode()).hexdigest()
    return Ran(recipe=submission.recipe or "request", sha256=digest, snapshot=shown, origin=task.source.uri)


def _thoughts_wanted(submission: Submission) -> bool | None:
    config = submission.google.thinking_config
    return config.include_thoughts if config else None


def _cacheable(asked: Json, submission: Submission, supply: Supply) -> bool:
    """Whether all files are objects and stand in the first turn, as a context cache would."""
    if not supply.sources or submission.google.cached_content is not None:
        return False
    parts = cast(list[Json], cast(list[Json], asked["contents"])[0]["parts"])
    shown_first = sum("fileData" in part for part in parts) == len(supply.sources)
    return shown_first and cacheable(supply.model, supply.facts, submission.media_resolution)
