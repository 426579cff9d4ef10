"""What a request asks: its messages, with each medium brought from where it lies and handed over to Gemini."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import cast

from functions.generate.lease import Lease
from functions.generate.model.call import model_notices, refuse_if_throttled, require_model
from functions.generate.model.context_cache import cacheable
from functions.generate.question.model_checks import count_tokens_if_nearly_full
from functions.generate.question.request_inputs import RequestInputs
from shared.cloud.outbound import refusal_of
from shared.domain.answer.response import Json
from shared.domain.errors import FailureCode, PermanentFailure, RequestRefused
from shared.domain.media import Facts
from shared.domain.recipe import Recipe, seen
from shared.domain.recipe.question import About, Question
from shared.domain.request import (
    LARGEST_BODY,
    Handed,
    Inline,
    Input,
    ResolvedRequest,
    StoredInput,
    Submission,
    body,
    file_misfit,
    read_and_check,
    renders_a_recording,
)
from shared.domain.request.options import JsonSchemaAnswer
from shared.domain.tasks.task import Ran, Task
from shared.wiring import GenerateDeps

_CONTINUATIONS = 3
"""Of an answer that ended at the model's own limit; never past a `max_tokens`."""


async def question_of_request(deps: GenerateDeps, lease: Lease) -> Question:
    task = lease.task
    (submission, recipe, noticed), inputs = await _request_of(deps, task)
    lease.model, lease.ran = submission.model, _ran(task, submission, recipe)
    await refuse_if_throttled(deps, submission.model)
    await require_model(deps, submission.model)
    files: list[Facts] = []

    def shown(each: Input, facts: Facts) -> Facts:
        files.append(facts)
        return facts if recipe is None else _seen(recipe, each, facts, alone=len(inputs) == 1)

    request_inputs = RequestInputs(
        deps, lease, submission, sum(each.size for each in inputs if isinstance(each, Inline)), shown
    )
    handed: list[Handed] = []
    for index, each in enumerate(inputs):
        handed.append(await request_inputs.prepare(each, index))
        lease.progress = max(lease.progress, 50 * (index + 1) // len(inputs))
    asked = body(submission, handed, recipe, deps.clock.now().date())
    await count_tokens_if_nearly_full(
        deps, request_inputs.model, asked, request_inputs.facts, submission.media_resolution
    )
    return Question(
        model=submission.model,
        body=asked,
        ran=lease.ran,
        reasoning=_thoughts_wanted(submission, recipe),
        response_schema=_schema(submission, recipe),
        # What readers were told cannot be taken back, nor said again.
        continuations=0 if submission.stream else _continuations(submission, recipe),
        repairs=0 if submission.stream else 1,
        cacheable=_cacheable(asked, submission, request_inputs),
        sources=tuple(request_inputs.sources or ()),
        about=About(
            transcript=len(files) == 1 and (recipe.transcript if recipe else renders_a_recording(submission)),
            duration=files[0].duration if files else None,
            range=recipe.range if recipe else None,
            warnings=(*noticed, *request_inputs.remarks, *model_notices(deps, submission.model)),
        ),
    )


async def _request_of(deps: GenerateDeps, task: Task) -> tuple[ResolvedRequest, list[Input]]:
    """The request, read again as it was checked when it came; a manifest is checked here for the first time."""
    source = task.source
    if source.size > LARGEST_BODY:
        message = (
            f"{source.uri} has {source.size:,} bytes; a request has {LARGEST_BODY:,} at most. Name files as gs://…"
        )
        raise PermanentFailure("invalid_manifest", message)
    text = await deps.storage.read(source.bucket, source.name, generation=source.generation)
    if text is None:
        raise PermanentFailure("source_gone", f"{source.uri} was deleted or overwritten before it could be read.")
    try:
        # In a thread: a body may have 29 MB.
        _, whole, inputs = await asyncio.to_thread(read_and_check, text, deps.clock.now().date())
        _may_be_read(deps, task, inputs)
        _may_be_called(deps, task, whole.submission)
    except RequestRefused as refused:
        where = f"{refused.param}: " if refused.param and not refused.message.startswith(refused.param) else ""
        code: FailureCode = "invalid_manifest" if source.kind == "manifest" else "invalid_param"
        raise PermanentFailure(code, f"{where}{refused.message}") from refused
    return whole, inputs


def _seen(recipe: Recipe, each: Input, facts: Facts, *, alone: bool) -> Facts:
    if why := file_misfit(recipe, each.param, facts, alone=alone):
        raise PermanentFailure("invalid_param", why)
    return seen(recipe, facts)


def _may_be_read(deps: GenerateDeps, task: Task, inputs: list[Input]) -> None:
    """Of a manifest: only what its folder may name. The api has checked what a key may name."""
    own = (deps.settings.requests_bucket, deps.settings.results_bucket, deps.settings.source_bucket)
    allowed = deps.settings.manifest_sources.get(task.owner.partition(":")[2], ())
    for each in inputs:
        if not isinstance(each, StoredInput):
            continue
        foreign = task.source.kind == "manifest" and not each.uri.startswith(allowed or ("\0",))
        if each.bucket in own or foreign:
            message = f"{each.param}: manifests of {task.owner} may not name {each.uri}."
            raise RequestRefused(403, "permission_error", "source_not_allowed", message, param=each.param)


def _may_be_called(deps: GenerateDeps, task: Task, submission: Submission) -> None:
    """Of a manifest: where a notice of its end could go. The api has checked it for its own requests."""
    if task.source.kind != "manifest" or submission.callback_url is None:
        return
    why = refusal_of(submission.callback_url, schemes=("https",), allow_loopback=deps.settings.allow_loopback)
    if why is not None:
        message = f"callback_url: {why}."
        raise RequestRefused(422, "invalid_request_error", "invalid_param", message, param="callback_url")


def _ran(task: Task, submission: Submission, recipe: Recipe | None) -> Ran:
    """What stands on the task: settings, never the prompt or inline data; those are in the request object."""
    if recipe is not None:
        shown = {name: value for name, value in recipe.ran().snapshot.items() if name not in ("prompt", "system")}
    else:
        shown = submission.model_dump(
            mode="json",
            by_alias=True,
            exclude_defaults=True,
            exclude={"audio_url", "messages", "prompt", "system_prompt", "callback_url", "metadata", "sync"},
        )
    digest = task.request.sha256 if task.request else hashlib.sha256(json.dumps(shown).encode()).hexdigest()
    return Ran(recipe=submission.recipe or "request", sha256=digest, snapshot=shown, origin=task.source.uri)


def _thoughts_wanted(submission: Submission, recipe: Recipe | None) -> bool:
    if recipe is not None:
        return recipe.thinking is not None and recipe.thinking.include
    config = submission.google.thinking_config
    return submission.reasoning or bool(config and config.include_thoughts)


def _schema(submission: Submission, recipe: Recipe | None) -> Json | None:
    """What the answer must fit."""
    form = submission.response_format
    if recipe is not None:
        return recipe.asked[0].response_schema
    return form.json_schema.schema_ if isinstance(form, JsonSchemaAnswer) else None


def _continuations(submission: Submission, recipe: Recipe | None) -> int:
    if recipe is not None:
        return recipe.most_continuations
    return 0 if submission.max_tokens is not None else _CONTINUATIONS


def _cacheable(asked: Json, submission: Submission, request_inputs: RequestInputs) -> bool:
    """Whether all files are objects and stand in the first turn, as a context cache would."""
    if not request_inputs.sources:
        return False
    parts = cast(list[Json], cast(list[Json], asked["contents"])[0]["parts"])
    shown_first = sum("fileData" in part for part in parts) == len(request_inputs.sources)
    return shown_first and cacheable(request_inputs.model, request_inputs.facts, submission.media_resolution)
