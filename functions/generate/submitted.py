"""What a request asks: its messages, with each medium brought from where it lies and handed over to Gemini."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from functools import partial

from functions.generate.asking import make_sure_of, notices, stand_by
from functions.generate.holding import Holding
from functions.generate.inputs import examine, hand_over, hand_over_stream, remarks
from functions.generate.window import count_where_nearly_full, refuse_too_much
from shared.cloud.fetch import RemoteFile
from shared.cloud.object_stream import SourceVanished
from shared.domain import catalogue, media
from shared.domain.catalogue import Model
from shared.domain.errors import FailureCode, PermanentFailure, RequestRefused, TransientFailure
from shared.domain.media import Facts, InMemory, MediaType, Refusal
from shared.domain.question import About, Question
from shared.domain.request import (
    Handed,
    Inline,
    Input,
    Remote,
    StoredInput,
    Submission,
    body,
    completed,
    inputs_of,
    read,
    unfit,
)
from shared.domain.request.schema import JsonSchemaAnswer
from shared.domain.task import GeminiFile, Ran, Task
from shared.wiring import Generate

_INLINE_BYTES = 700 << 10
"""Inline data up to this, all of a request's together, goes into the call itself; more is uploaded first: a call is
sent from the event loop, and again at every further round."""
_FETCH_ATTEMPTS = 3
_CONTINUATIONS = 3
"""Of an answer that ended at the model's own limit; never past a `max_tokens`."""


async def question_of_request(road: Generate, held: Holding) -> Question:
    task = held.task
    submission, inputs = await _request_of(road, task)
    held.model = submission.model
    await stand_by(road, submission.model)
    await make_sure_of(road, submission.model)
    supply = _Supply(road, held, submission, sum(each.size for each in inputs if isinstance(each, Inline)))
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
        ran=_ran(task, submission),
        reasoning=submission.reasoning or bool(_thoughts_wanted(submission)),
        response_schema=form.json_schema.schema_ if isinstance(form, JsonSchemaAnswer) else None,
        # What readers were told cannot be taken back, nor said again.
        continuations=0 if submission.stream or submission.max_tokens is not None else _CONTINUATIONS,
        repairs=0 if submission.stream else 1,
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


class _Supply:
    """Brings the inputs of one request."""

    def __init__(self, road: Generate, held: Holding, submission: Submission, inline_bytes: int) -> None:
        self._road, self._held = road, held
        self._uploads_inline = inline_bytes > _INLINE_BYTES
        known = catalogue.resolve(submission.model)
        self.model = known if isinstance(known, Model) else None
        self._resolution = submission.media_resolution
        self.facts: list[Facts] = []
        self.remarks: list[str] = []

    async def hand_over(self, each: Input, index: int) -> Handed:
        match each:
            case Inline():
                return await self._inline(each, index)
            case StoredInput():
                return _as_handed(await self._stored(each, index))
            case Remote():
                return _as_handed(await self._remote(each, index))

    async def _inline(self, each: Inline, index: int) -> Handed:
        data = each.data()
        mime = self._checked(each, await self._examined(data, "", each.mime))
        if not self._uploads_inline:
            return Handed(mime, data=base64.b64encode(data).decode())

        async def opened() -> io.IOBase:
            return io.BytesIO(data)

        return _as_handed(await hand_over_stream(self._road, self._held, opened, mime, name=each.param, index=index))

    async def _stored(self, each: StoredInput, index: int) -> GeminiFile:
        try:
            found = await self._road.storage.stat(each.bucket, each.name)
            if found is None:
                raise PermanentFailure("source_gone", f"{each.param}: {each.uri} is not there.")
            if each.generation not in (None, found.generation):
                raise PermanentFailure("source_superseded", f"{each.param}: {each.uri} was overwritten.")
            facts = await examine(self._road, found)
            self._checked(each, facts)
            return await hand_over(self._road, self._held, found, facts, index=index)
        except SourceVanished as error:
            raise TransientFailure(f"{each.uri} changed while it was read") from error

    async def _remote(self, each: Remote, index: int) -> GeminiFile:
        opened = await self._fetched(each)
        first: list[RemoteFile] = [opened]
        try:
            if (whole := opened.whole) is not None:
                facts = await self._examined(whole, opened.name, opened.content_type)
            else:
                kind = _sniffed(opened.head, opened.name, opened.content_type)
                facts = Facts(media_type=kind, size=opened.size)
                if refusal := media.check_size(facts.size, pdf=kind.family == "pdf"):
                    raise PermanentFailure(refusal.code, refusal.message)
            mime = self._checked(each, facts)

            async def again() -> io.IOBase:
                return first.pop() if first else await self._fetched(each)

            return await hand_over_stream(self._road, self._held, again, mime, name=opened.name, index=index)
        finally:
            opened.close()

    async def _fetched(self, each: Remote) -> RemoteFile:
        seconds = min(self._road.settings.fetch_seconds, max(1.0, self._held.seconds_left))
        try:
            return await self._road.web.open(each.url, stop=self._held.stop, seconds=seconds)
        except TransientFailure as failure:
            if self._held.task.attempts + 1 < _FETCH_ATTEMPTS:
                raise
            message = f"{each.param}: given up after {_FETCH_ATTEMPTS} attempts: {failure.message}"
            raise PermanentFailure("url_not_fetchable", message) from failure

    async def _examined(self, data: bytes, name: str, declared: str | None) -> Facts:
        kind = _sniffed(data[: media.HEAD], name, declared)
        facts = await self._road.storage.in_thread(partial(media.probe, InMemory(data), kind))
        if refusal := media.check(facts):
            raise PermanentFailure(refusal.code, refusal.message)
        return facts

    def _checked(self, each: Input, facts: Facts) -> str:
        """The true type, which must be what the part promises and what the model takes."""
        family = facts.media_type.family
        if each.family not in (None, family):
            found = f"{each.param} should be {each.family}, but this is {facts.media_type.label}."
            raise PermanentFailure("unsupported_content_type", found)
        if self.model is not None and (refusal := catalogue.check_input(self.model, family)):
            raise PermanentFailure("model_not_support_capability", f"{each.param}: {refusal.message}")
        self.facts.append(facts)
        self.remarks += [f"{each.param}: {remark}" for remark in remarks(facts)]
        refuse_too_much(self.facts, self.model, self._resolution)
        return facts.media_type.mime


def _sniffed(head: bytes, name: str, declared: str | None) -> MediaType:
    kind = media.sniff(head, name, declared)
    if isinstance(kind, Refusal):
        raise PermanentFailure(kind.code, kind.message)
    return kind


def _as_handed(file: GeminiFile) -> Handed:
    return Handed(file.mime_type, uri=file.uri)


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
