"""Call the Gemini API: upload files as streams, and receive the model's answer as a stream of pieces.

Uploads of a stream run with the sync client in a thread pool of their own (the async one reads on the event loop);
everything else, and uploads from memory, with `client.aio`. The SDK's own retries and continuations are off: whether
and when to ask again is the task's business.
"""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast
from urllib.request import getproxies

import aiohttp
from cachetools import TTLCache
from google import genai
from google.genai import types

from shared.clock import Clock
from shared.cloud.gemini_errors import not_a_request, translated_errors
from shared.cloud.request_bodies import write_bodies_in_pieces
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure, Unavailable
from shared.domain.models.served import ServedModel
from shared.domain.service_errors import HandleGone
from shared.domain.tasks.task import GeminiFile

_UPLOAD_PIECE_TIMEOUT_MS = 180_000
_CALL_TIMEOUT_MS = 60_000
_MODELS_REMEMBERED = 1_000
_FRESH_SECONDS = 300.0
"""Seconds an instance remembers the service's data on a model."""
_POLL_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 5.0)
_MAX_FAILED_POLLS = 4
_MAX_LINE_BYTES = 4 << 20
"""The longest line of a stream that the SDK reads."""
_TIER_HEADER = "x-gemini-service-tier"
_NOT_SENT = {"sdk_http_response", "automatic_function_calling_history", "parsed"}
_ONE_REQUEST = {
    "automatic_continuation": False,
    "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
}
"""Keeps the SDK from sending a second billed request by itself. Both are on by default. The first continues from a
continuation token even after a broken stream, whatever the number of attempts; the time limit applies per request."""


class FoundCache(NamedTuple):
    """A context cache that is there."""

    name: str
    model: str
    """Without "models/" before it."""
    expires_at: datetime
    tokens: int


class Gemini:
    """To be made on the event loop that its connections will belong to."""

    def __init__(self, api_key: str, clock: Clock, threads: int) -> None:
        write_bodies_in_pieces()
        # Only v1beta has the aliases (gemini-…-latest) and most capabilities.
        # One attempt, set explicitly: by default the SDK repeats a call whose connection broke, and a model that was
        # thinking is billed twice.
        once = types.HttpRetryOptions(attempts=1)
        # Like the SDK's own session, but it does not look for proxies and ~/.netrc in a thread before each request, and
        # takes no cookies: a tenth of the CPU time of a task.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=bool(getproxies()),
            read_bufsize=_MAX_LINE_BYTES,
        )
        options = types.HttpOptions(
            api_version="v1beta", timeout=_CALL_TIMEOUT_MS, retry_options=once, aiohttp_client=self._session
        )
        self._client = genai.Client(api_key=api_key, http_options=options)
        self._clock = clock
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="upload")
        self._models: TTLCache[str, ServedModel | None] = TTLCache(_MODELS_REMEMBERED, _FRESH_SECONDS, clock.time)

    async def aclose(self) -> None:
        """Close all connections. No call may follow."""
        self._client.close()
        await self._session.close()

    @property
    def sdk(self) -> genai.client.AsyncClient:
        """The SDK's client, for the parts of the API that have a module of their own."""
        return self._client.aio

    async def methods(self, model: str) -> frozenset[str] | None:
        """Return the methods a model supports; None if the service has no such model."""
        served = await self.served(model)
        return None if served is None else frozenset(served.supported_generation_methods)

    async def served(self, model: str) -> ServedModel | None:
        """Return the service's data on a model; None if it has no such model."""
        with suppress(KeyError):
            return self._models[model]
        try:
            with translated_errors():
                info = await self._client.aio.models.get(model=model)
            served = ServedModel(
                name=model,
                display_name=info.display_name,
                input_token_limit=info.input_token_limit or 0,
                output_token_limit=info.output_token_limit or 0,
                supported_generation_methods=tuple(info.supported_actions or ()),
                thinking=bool(info.thinking),
            )
        except PermanentFailure as failure:
            if failure.code != "model_not_found":
                raise
            served = None
        self._models[model] = served
        return served

    async def upload(
        self,
        stream: io.IOBase,
        *,
        file_id: str,
        mime_type: str,
        display_name: str,
        input: int,  # noqa: A002
        source: str = "",
    ) -> GeminiFile:
        """Upload `stream` as `files/{file_id}`. `active` of the file says whether it needs no waiting for."""
        config = types.UploadFileConfig(
            name=file_id,
            mime_type=mime_type,
            display_name=display_name[:512],
            http_options=types.HttpOptions(timeout=_UPLOAD_PIECE_TIMEOUT_MS),
        )

        def send() -> types.File:
            return self._client.files.upload(file=stream, config=config)

        with translated_errors("upload"):
            if isinstance(stream, io.BytesIO):
                file = await self._client.aio.files.upload(file=stream, config=config)
            else:
                file = await asyncio.get_running_loop().run_in_executor(self._threads, send)
        return GeminiFile(
            name=cast(str, file.name),
            uri=cast(str, file.uri),
            mime_type=cast(str, file.mime_type),
            expires_at=file.expiration_time or datetime.max.replace(tzinfo=UTC),
            input=input,
            source=source,
            active=file.state == types.FileState.ACTIVE,
        )

    async def wait_until_active(self, uploaded: GeminiFile) -> GeminiFile:
        """Wait until a file is ACTIVE. Raises `file_processing_failed` if Gemini cannot decode it."""
        failures = 0
        for tries in itertools.count():
            try:
                with translated_errors("file"):
                    file = await self._client.aio.files.get(name=uploaded.name)
            except Unavailable:
                failures += 1
                if failures == _MAX_FAILED_POLLS:
                    raise
            else:
                if file.state == types.FileState.ACTIVE:
                    break
                if file.state == types.FileState.FAILED:
                    reason = file.error.message if file.error and file.error.message else "it may be damaged"
                    raise PermanentFailure("file_processing_failed", f"Gemini could not process the file: {reason}")
            await self._clock.sleep(_POLL_SECONDS[min(tries, len(_POLL_SECONDS) - 1)])
        return uploaded.model_copy(update={"active": True})

    async def delete(self, name: str) -> None:
        """Delete a file; one that does not exist is no error."""
        with suppress(HandleGone), translated_errors("file"):
            await self._client.aio.files.delete(name=name)

    async def create_cache(self, model: str, body: Json, *, lifetime: timedelta, display_name: str) -> tuple[str, int]:
        """Create a context cache of the body's contents, system instruction and tools; return its name and tokens."""
        contents, config = _split_body(body)
        cache_config = types.CreateCachedContentConfig(
            contents=cast(types.ContentListUnion, contents),
            system_instruction=config.system_instruction,
            tools=config.tools,
            tool_config=config.tool_config,
            ttl=_duration(lifetime),
            display_name=display_name,
        )
        with translated_errors():
            cache = await self._client.aio.caches.create(model=model, config=cache_config)
        return cast(str, cache.name), _tokens_of(cache)

    async def cache(self, name: str) -> FoundCache:
        """Return the context cache of this name. Raises `PermanentFailure` if it does not exist."""
        with translated_errors():
            return _found(await self._client.aio.caches.get(name=name))

    async def find_cache(self, display_name: str) -> FoundCache | None:
        """Return the context cache with this `display_name`, or None."""
        with translated_errors():
            async for cache in await self._client.aio.caches.list(config=types.ListCachedContentsConfig(page_size=100)):
                if cache.display_name == display_name and cache.name and cache.expire_time:
                    return _found(cache)
        return None

    async def prolong_cache(self, name: str, *, lifetime: timedelta) -> None:
        """Extend the cache's lifetime to `kept` from now."""
        with translated_errors():
            await self._client.aio.caches.update(
                name=name, config=types.UpdateCachedContentConfig(ttl=_duration(lifetime))
            )

    async def delete_cache(self, name: str) -> None:
        with translated_errors():
            await self._client.aio.caches.delete(name=name)

    async def files(self) -> AsyncIterator[types.File]:
        with translated_errors():
            pager = await self._client.aio.files.list(config=types.ListFilesConfig(page_size=100))
        while True:
            for file in pager.page:
                yield file
            try:
                with translated_errors():
                    await pager.next_page()
            except IndexError:
                return

    async def answer(self, model: str, body: Json, *, timeout: float) -> Json:
        """Return the whole answer, a GenerateContentResponse as JSON. `timeout` is in seconds."""
        contents, config = _within(body, timeout)
        with translated_errors():
            return as_json(
                await self._client.aio.models.generate_content(
                    model=model, contents=cast(types.ContentListUnion, contents), config=config
                )
            )

    async def stream(self, model: str, body: Json, *, timeout: float) -> AsyncIterator[Json]:
        """Yield the answer in pieces, each a GenerateContentResponse as JSON. `timeout` is in seconds."""
        contents, limited_config = _within(body, timeout)
        with translated_errors():
            pieces = await self._client.aio.models.generate_content_stream(
                model=model, contents=cast(types.ContentListUnion, contents), config=limited_config
            )
            try:
                async for piece in pieces:
                    yield as_json(piece)
            finally:
                # A stream that is left early is closed at once: the model stops, and so does the bill.
                await cast(AsyncGenerator[types.GenerateContentResponse, None], pieces).aclose()

    async def embed(self, model: str, body: Json, *, timeout: float) -> Json:
        """Return the vectors of the body's contents; see `shared.cloud.embeddings`."""
        # Loaded where it is used: most instances never make anything but words.
        from shared.cloud.embeddings import embed

        with translated_errors():
            return await embed(self._client, model, body, timeout)

    async def count_tokens(self, model: str, body: Json) -> int:
        contents, _ = _split_body(body)
        with translated_errors():
            usage = await self._client.aio.models.count_tokens(
                model=model, contents=cast(types.ContentListUnion, contents)
            )
        return usage.total_tokens or 0


def _found(cache: types.CachedContent) -> FoundCache:
    return FoundCache(
        name=cast(str, cache.name),
        model=(cache.model or "").removeprefix("models/"),
        expires_at=cast(datetime, cache.expire_time),
        tokens=_tokens_of(cache),
    )


def _tokens_of(cache: types.CachedContent) -> int:
    return (cache.usage_metadata and cache.usage_metadata.total_token_count) or 0


def _within(body: Json, timeout: float) -> tuple[list[types.Content], types.GenerateContentConfig]:
    """Return contents and config of one request that takes `timeout` seconds at most."""
    contents, config = _split_body(body)
    options = types.HttpOptions(timeout=int(timeout * 1000))
    return contents, config.model_copy(update={**_ONE_REQUEST, "http_options": options})


def _split_body(body: Json) -> tuple[list[types.Content], types.GenerateContentConfig]:
    """Split generateContent's body as the SDK takes it: the contents, and everything else as one flat config."""
    around = {name: value for name, value in body.items() if name not in ("contents", "generationConfig")}
    settings = cast(Json, body.get("generationConfig") or {})
    try:
        contents = [types.Content.model_validate(content) for content in cast(list[Json], body["contents"])]
        return contents, types.GenerateContentConfig.model_validate({**settings, **around})
    except ValueError as error:
        raise not_a_request(error) from error


def _duration(span: timedelta) -> str:
    """Return seconds as a protobuf Duration in JSON."""
    return f"{span.total_seconds():g}s"


def as_json(response: types.GenerateContentResponse) -> Json:
    """Return the unchanged response, with the tier that its header names added as `serviceTier`."""
    dumped = cast(Json, response.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=_NOT_SENT))
    http = response.sdk_http_response
    tier = {name.lower(): value for name, value in (http.headers or {}).items()}.get(_TIER_HEADER) if http else None
    return {**dumped, "serviceTier": tier} if tier else dumped
