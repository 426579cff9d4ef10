"""POST /v1/audio/transcriptions and /translations, compatible with OpenAI's. Each request becomes a task.

form ──▶ file into the requests bucket ──▶ its digest ──▶ the task of this content, new or there already ──▶ wait
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from functions.api.auth import Submitter, require_scope
from functions.api.deduplication import submit_once
from functions.api.follower import Follower, followers
from functions.api.openai_headers import headers_of
from functions.api.openai_stream import StreamItem, error_block, event_block, stream_items
from functions.api.openapi_clients import TRANSCRIPTION
from functions.api.routes.stream import DONE, EVENT_STREAM, HEARTBEAT, HEARTBEAT_SECONDS, STREAM_HEADERS
from functions.api.routes.submit import IdempotencyKey, check
from functions.api.task_body import render_task
from functions.api.waiting import completion_of, wait_for_end
from shared import wiring
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.openai.transcription import NO_SPEECH, Job, TranscriptionForm, read_fields
from shared.domain.request.uploads import uploads_folder
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Task

if TYPE_CHECKING:
    from functions.api.multipart import Form

router = APIRouter()

_RECORDING = ("audio_url", "messages.0.content.0.file_url.url")
"""What the request behind a form calls the recording."""
_NAMED_FIRST = re.compile(rf"\A(?:{'|'.join(map(re.escape, _RECORDING))})\b")
"""The recording as a message begins with it. Further on, the same letters may be in an address."""


@router.post("/v1/audio/transcriptions", operation_id="transcribe", **TRANSCRIPTION)
async def transcribe(request: Request, key: Submitter, idempotency_key: IdempotencyKey = None) -> Response:
    """Transcribe a recording, as OpenAI documents it: the same bytes and options within 24 hours are the same task."""
    return await _answer(request, key, "transcribe", idempotency_key)


@router.post("/v1/audio/translations", operation_id="translate", **TRANSCRIPTION)
async def translate(request: Request, key: Submitter, idempotency_key: IdempotencyKey = None) -> Response:
    """Translate a recording's speech to English, as OpenAI documents it."""
    return await _answer(request, key, "translate", idempotency_key)


async def _answer(request: Request, key: Key, job: Job, idempotency_key: str | None) -> Response:
    # Its answer is the result.
    require_scope(key, "read")
    deps = wiring.api()
    form, task = await _task_of_form(deps, request, key, job, idempotency_key)
    headers = headers_of(task.id, form.ignored)
    if form.stream:
        events = _events(deps, request, form, task)
        return StreamingResponse(events, headers={**STREAM_HEADERS, **headers}, media_type=EVENT_STREAM)
    with _recording_named(form.file_field):
        answer = await completion_of(deps, request, task, headers)
    completion = json.loads(bytes(answer.body))
    return _render(form, completion, headers)


async def _task_of_form(
    deps: ApiDeps, request: Request, key: Key, job: Job, idempotency_key: str | None
) -> tuple[TranscriptionForm, Task]:
    from functions.api.multipart import discard, read_form

    uploaded = await read_form(request, deps.uploads, uploads_folder(key.id))
    try:
        form = read_fields(uploaded.fields, job, is_film=_is_film(uploaded))
        if (uploaded.file is None) == (form.file_url is None):
            raise FieldRefused("file", "file: send the recording as the form's file, or its file_url; one of them.")
        if uploaded.file and not uploaded.file.stored.size:
            raise FieldRefused("file", "file: it is empty (0 bytes).")
        url = uploaded.file.stored.uri if uploaded.file else cast(str, form.file_url)
        body = form.submission(url)
        with _recording_named(form.file_field):
            checked = await check(deps, key, json.dumps(body).encode())
        # The same bytes are the same recording, in whichever object this upload is.
        content = uploaded.file.stored.sha256 if uploaded.file else url
        options = json.dumps(form.submission(content), sort_keys=True)
        digest = hashlib.sha256(options.encode()).hexdigest()
        submitted = await submit_once(deps, key, checked.submission, digest, idempotency_key)
    except RequestRefused:
        await discard(deps.uploads, uploaded)
        raise
    if submitted.replayed:
        await discard(deps.uploads, uploaded)
    return form, submitted.task


@contextmanager
def _recording_named(field: str) -> Iterator[None]:
    """Let refusals in the body of `with` name the recording by its field of the form."""
    try:
        yield
    except RequestRefused as refused:
        param = field if refused.param in _RECORDING else refused.param
        message = _NAMED_FIRST.sub(field, refused.message)
        raise RequestRefused(
            refused.status, refused.code, message, param=param, headers=refused.headers, type_=refused.type
        ) from refused


def _is_film(uploaded: Form) -> bool:
    """Return whether the recording has the name of a film."""
    from shared.domain.media import kind_of_name

    name = uploaded.file.filename if uploaded.file else dict(uploaded.fields).get("file_url", "").partition("?")[0]
    kind = kind_of_name(name)
    return kind is not None and kind.family == "video"


def _render(form: TranscriptionForm, completion: Json, headers: dict[str, str]) -> Response:
    from shared.domain.openai.transcript_formats import read_transcript, render

    content, usage = _content(completion)
    body, content_type = render(form, read_transcript(content, usage, timed=form.is_timed))
    return Response(body.encode("utf-8", "backslashreplace"), headers={**headers, "content-type": content_type})


async def _events(deps: ApiDeps, request: Request, form: TranscriptionForm, task: Task) -> AsyncIterator[bytes]:
    """Yield OpenAI's events: deltas while the model writes, or segments once it has ended; then the whole text."""
    from shared.domain.openai.transcript_formats import diarized_segments, read_transcript, times_of, token_usage

    follower = followers().follow(task)
    field = form.file_field
    before = _until_ended(deps, request, follower.task, field) if form.is_timed else _deltas(follower, field)
    ended: Task | None = None
    async for step in before:
        if isinstance(step, Task):
            ended = step
        else:
            yield step
    if ended is None:
        return
    content, usage = _content(json.loads((await render_task(deps, ended)).body)["results"][0])
    transcript = read_transcript(content, usage, timed=form.is_timed)
    if form.response_format == "diarized_json":
        for segment in diarized_segments(transcript):
            yield event_block(segment)
    elif form.has_times or not follower.is_whole:
        yield _delta(transcript.text)
    done: Json = {"type": "transcript.text.done", "text": transcript.text, **times_of(form, transcript)}
    yield event_block({**done, "usage": token_usage(usage)})
    yield DONE


async def _deltas(follower: Follower, field: str) -> AsyncIterator[bytes | Task]:
    """Yield the text as it is written, and finally the task. Yield an error instead if it failed or broke off."""
    text, has_begun = "", False
    async for item in stream_items(follower):
        match item.kind:
            case "chunk":
                piece = json.loads(item.data)["choices"][0]["delta"].get("content") or ""
                text += piece
                if has_begun:
                    yield _delta(piece)
                elif not NO_SPEECH.startswith(text.strip()[: len(NO_SPEECH)]):
                    has_begun = True
                    yield _delta(text)
            case "pause":
                yield HEARTBEAT
            case "end":
                yield follower.task
            case "error" if follower.task.status == "completed" and not has_begun:
                # The chunks were deleted already, but the answer exists.
                yield follower.task
            case "error":
                yield _error(item.code, item.message, field)


async def _until_ended(deps: ApiDeps, request: Request, task: Task, field: str) -> AsyncIterator[bytes | Task]:
    """Yield heartbeats, and finally the task. Yield an error instead if it failed or takes too long."""
    deadline = deps.clock.time() + deps.settings.sync_seconds
    while not task.terminal and deps.clock.time() < deadline and not followers().shutdown.begun:
        task = await wait_for_end(deps, request, task, HEARTBEAT_SECONDS)
        if not task.terminal:
            if await request.is_disconnected():
                return
            yield HEARTBEAT
    if task.error is not None:
        yield _error(task.error.code, task.error.message, field)
    elif not task.terminal:
        message = f"The task is still {task.status}. It goes on: GET /v1/tasks/{task.id} has its answer later."
        yield _error("still_processing", message, field)
    else:
        yield task


def _error(code: str, message: str, field: str) -> bytes:
    return error_block(StreamItem("error", code=code, message=_NAMED_FIRST.sub(field, message)))


def _delta(text: str) -> bytes:
    return event_block({"type": "transcript.text.delta", "delta": text})


def _content(completion: Json) -> tuple[str, Json]:
    """Return the text of a ChatCompletion, and its usage."""
    choice = cast(list[Json], completion["choices"])[0]
    usage = completion.get("usage")
    return str(cast(Json, choice["message"]).get("content") or ""), usage if isinstance(usage, dict) else {}
