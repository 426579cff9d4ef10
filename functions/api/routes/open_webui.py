"""PUT /process: an external document loader for Open WebUI. The body is a file; the response has its text.

Recordings and films are transcribed; PDFs, pictures, office documents, EPUB, RTF and mail become Markdown. Each is a
paid task. Text in an encoding that the bytes show is returned in UTF-8, without a task.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from urllib.parse import unquote

from fastapi import APIRouter
from pydantic import JsonValue
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Submitter, require_scope
from functions.api.deduplication import submit_once
from functions.api.json_body import encode_json
from functions.api.openai_errors import as_openai
from functions.api.request_bodies import read_pieces
from functions.api.routes.submit import IdempotencyKey, check
from functions.api.waiting import completion_of
from shared import wiring
from shared.cloud.object_writer import WrittenObject
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import RequestRefused
from shared.domain.media import GEMINI, WHOLE, Family, in_utf_8, kind_of_mime, kind_of_name
from shared.domain.media.text import encoding_of
from shared.domain.recipe.definition import DEFAULT_MODEL
from shared.domain.request.overrides import find_recipe
from shared.domain.request.uploads import uploads_folder
from shared.domain.tasks.access import Key

router = APIRouter(include_in_schema=False)

_LONGEST_SECONDS = 3000.0
_one_text = asyncio.Semaphore(1)
"""Held while a text is converted, which takes several times its size in memory."""
_RECIPES: dict[Family, str] = {
    "audio": "transcribe",
    "video": "transcribe",
    "pdf": "transcribe-document",
    "image": "transcribe-document",
    # Texts that have to be extracted from a document.
    "text": "ask",
}


@router.put("/process")
async def process(request: Request, key: Submitter, idempotency_key: IdempotencyKey = None) -> Response:
    # Its answer is the result.
    require_scope(key, "read")
    deps = wiring.api()
    name = unquote(request.headers.get("x-filename", "")).rpartition("/")[2][:255] or "file"
    mime = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = kind_of_mime(mime) or kind_of_name(name)
    if kind is None:
        # Some versions of Open WebUI recognise the first words and read the file themselves.
        why = f"files of the type {mime[:100] or 'unknown'} are not taken. Name the type in Content-Type"
        message = f"No extractable text: {name}: {why}."
        raise RequestRefused(422, "unsupported_content_type", message)
    stored = await deps.uploads.write(uploads_folder(key.id), _bounded(request), content_type=kind.mime)
    if not stored.size:
        await deps.uploads.delete(stored)
        message = f"No extractable text: {name} is empty (0 bytes)."
        raise RequestRefused(422, "empty_file", message)
    if kind.family == "text" and kind.preparation is None:
        return await _plain_text(deps, stored, name)
    try:
        return await _text_of(deps, request, key, stored, _RECIPES[kind.family], name, idempotency_key)
    except RequestRefused as refused:
        raise as_openai(refused) from refused


async def _text_of(
    deps: ApiDeps,
    request: Request,
    key: Key,
    stored: WrittenObject,
    recipe: str,
    name: str,
    idempotency_key: str | None,
) -> Response:
    content: list[JsonValue] = [
        {"type": "file_url", "file_url": {"url": stored.uri, "generation": str(stored.generation)}}
    ]
    if recipe == "ask":
        content.append({"type": "text", "text": find_recipe("transcribe-document").prompt})
    body: Json = {"model": DEFAULT_MODEL, "recipe": recipe, "messages": [{"role": "user", "content": content}]}
    try:
        checked = await check(deps, key, json.dumps(body).encode())
        digest = hashlib.sha256(f"process\0{recipe}\0{DEFAULT_MODEL}\0{stored.sha256}".encode()).hexdigest()
        submitted = await submit_once(deps, key, checked.submission, digest, idempotency_key)
    except RequestRefused:
        await deps.uploads.delete(stored)
        raise
    if submitted.replayed:
        await deps.uploads.delete(stored)
    task = submitted.task
    headers = {"x-dropsight-task": task.id}
    completion = json.loads(bytes((await completion_of(deps, request, task, headers)).body))
    text = str(completion["choices"][0]["message"].get("content") or "")
    return _document(text, {"source": name, "task": task.id}, headers)


async def _plain_text(deps: ApiDeps, stored: WrittenObject, name: str) -> Response:
    try:
        if stored.size > WHOLE:
            message = f"{name} has {stored.size:,} bytes of text; at most {WHOLE:,} are taken."
            raise RequestRefused(413, "payload_too_large", message)
        async with _one_text:
            data = await deps.storage.read(stored.bucket, stored.name) or b""
            return await asyncio.to_thread(_document_of_text, data, name)
    finally:
        await deps.uploads.delete(stored)


def _document_of_text(data: bytes, name: str) -> Response:
    encoding = encoding_of(data)
    if encoding is None:
        message = f"No extractable text: {name} is no text file, as its name or type says."
        raise RequestRefused(422, "unsupported_content_type", message)
    if encoding == "unknown":
        message = f"No extractable text: the encoding of {name} cannot be told. Save it as UTF-8, and upload that."
        raise RequestRefused(422, "unsupported_content_type", message)
    return _document(in_utf_8(data, encoding).decode(), {"source": name}, {})


async def _bounded(request: Request) -> AsyncIterator[bytes]:
    size = 0
    async for piece in read_pieces(request, _LONGEST_SECONDS):
        size += len(piece)
        if size > GEMINI.file_bytes:
            message = f"The file has more than {GEMINI.file_bytes:,} bytes, which is more than Gemini takes."
            raise RequestRefused(413, "payload_too_large", message)
        yield piece


def _document(text: str, metadata: Json, headers: dict[str, str]) -> Response:
    body = encode_json({"page_content": text, "metadata": metadata})
    return Response(body, headers=headers, media_type="application/json")
