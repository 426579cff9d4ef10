"""The stand-in for the Gemini Developer API: keys, routes, and the server."""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from local.standins.gemini import models
from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.caches import CacheStore
from local.standins.gemini.errors import ApiError, bad_key, error_body, invalid, no_key, revoked_key, unimplemented
from local.standins.gemini.files import FileStore, resource
from local.standins.gemini.generate_routes import GenerateRoutes
from local.standins.gemini.models import Version
from local.standins.gemini.paging import page
from local.standins.gemini.prober import Prober
from local.standins.gemini.prompt import Reader
from local.standins.gemini.search_routes import SearchRoutes
from local.standins.gemini.search_stores import SearchStores
from local.standins.gemini.upload_routes import UploadRoutes, origin
from local.standins.gemini.uploads import Uploads
from local.standins.ledger import current_call
from local.standins.serve import HttpServer
from local.standins.wire_tap import Tap
from shared.clock import Clock

_log = logging.getLogger(__name__)

Answer = Callable[[Request, Version, str], Coroutine[Any, Any, Response]]


class GeminiStandIn:
    """Gemini on 127.0.0.1 for clients of the Developer API, v1 and v1beta.

    `data` keeps files, uploads under way and context caches; without it they live in a temporary folder until `stop`.
    `invalid_keys` are API keys that the service refuses; any other non-empty key is good.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        data: Path | None,
        tap: Tap,
        behaviour: Behaviour | None = None,
        invalid_keys: frozenset[str] = frozenset(),
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="gemini-") if data is None else None
        folder = data if data is not None else Path(self._temporary.name if self._temporary else "")
        self._clock, self._ledger = clock, tap.ledger
        self._invalid_keys = invalid_keys
        self._files = FileStore(folder, clock)
        self._prober = Prober()
        self._uploads = UploadRoutes(Uploads(folder, clock, self._files, self._prober), clock, tap.ledger)
        reader = Reader(self._files, clock, self._prober)
        self.search_stores = stores = SearchStores(folder, clock)
        self._generate = GenerateRoutes(reader, CacheStore(folder, clock), stores, clock, tap.ledger)
        search = SearchRoutes(stores, self._files, clock, tap.ledger)
        self._behaviour = behaviour or Behaviour()
        self._routes: list[tuple[str, re.Pattern[str], Answer]] = [
            ("GET", re.compile(r"models"), self._list_models),
            ("GET", re.compile(r"models/([^/:]+)"), self._get_model),
            ("GET", re.compile(r"tunedModels"), self._no_tuned_models),
            ("GET", re.compile(r"files"), self._list_files),
            ("GET", re.compile(r"files/([^/:]+)"), self._get_file),
            ("DELETE", re.compile(r"files/([^/:]+)"), self._delete_file),
            ("POST", re.compile(r"cachedContents"), self._generate.create_cache),
            ("GET", re.compile(r"cachedContents"), self._generate.list_caches),
            ("GET", re.compile(r"cachedContents/([^/:]+)"), self._generate.get_cache),
            ("PATCH", re.compile(r"cachedContents/([^/:]+)"), self._generate.update_cache),
            ("DELETE", re.compile(r"cachedContents/([^/:]+)"), self._generate.delete_cache),
            *search.table(),
        ]
        self._server = HttpServer(tap.http("gemini", self, error_body))

    async def start(self, port: int = 0) -> int:
        return await self._server.start(port)

    async def stop(self) -> None:
        await self._server.stop()
        await asyncio.to_thread(self._prober.close)
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def behaviour(self) -> Behaviour:
        return self._behaviour

    def set_model(self, changes: dict[str, Any]) -> Behaviour:
        """Apply the fields of `PUT /model`; None sets a field back to its default. Raises pydantic.ValidationError."""
        self._behaviour = self._behaviour.with_changes(changes)
        self._files.capacity = int(self._behaviour.store_mib * 1024**2)
        return self._behaviour

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted_receive() -> Message:
            message = await receive()
            self._count("bytes_in", len(message.get("body", b"")))
            return message

        async def counted_send(message: Message) -> None:
            self._count("bytes_out", len(message.get("body", b"")))
            await send(message)

        request = Request(scope, counted_receive)
        try:
            response = await self._answer(request)
        except ApiError as error:
            response = _refusal(error)
        except OSError as error:
            _log.warning("%s %s could not be kept: %s", request.method, request.url.path, error)
            response = _refusal(ApiError(503, f"The change could not be kept: {error.strerror}"))
        except ClientDisconnect:
            return
        await response(scope, counted_receive, counted_send)

    def _count(self, what: str, by: int = 1) -> None:
        if by:
            self._ledger.count("gemini", what, by)

    async def _answer(self, request: Request) -> Response:
        upload = re.fullmatch(r"(?:/resumable)?/upload/(v1|v1beta)/files", request.url.path)
        if upload is not None:
            if request.method not in ("POST", "PUT"):
                raise _no_such_route(request)
            if self._uploads.needs_key(request):
                self._check_key(request)
            return await self._uploads.handle(request, self._behaviour)
        match = re.fullmatch(r"/(v1|v1beta|v1alpha)/(.+)", request.url.path)
        if match is None:
            raise _no_such_route(request)
        self._check_key(request)
        version: Version = "v1" if match.group(1) == "v1" else "v1beta"
        return await self._route(request, version, match.group(2))

    async def _route(self, request: Request, version: Version, path: str) -> Response:
        for method, pattern, answer in self._routes:
            if request.method == method and (match := pattern.fullmatch(path)):
                return await answer(request, version, match.group(1) if pattern.groups else "")
        if request.method == "POST" and (match := re.fullmatch(r"(models/[^/:]+):(\w+)", path)):
            return await self._generate.handle(request, version, match.group(1), match.group(2), self._behaviour)
        raise _not_served(path) or _no_such_route(request)

    def _check_key(self, request: Request) -> None:
        key = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if not key and not request.headers.get("authorization", "").lower().startswith("bearer "):
            raise no_key()
        if key in self._invalid_keys or self._behaviour.key == "invalid":
            raise bad_key()
        if self._behaviour.key == "revoked":
            raise revoked_key()

    async def _list_models(self, request: Request, version: Version, _: str) -> Response:
        self._count("models.list")
        resources = [model.resource() for model in models.listed(version)]
        return page(request, "models", resources, default=50, most=1000)

    async def _get_model(self, request: Request, version: Version, name: str) -> Response:
        self._count("models.get")
        current_call.get().notes["model"] = name
        return JSONResponse(models.find(name, version).resource())

    async def _no_tuned_models(self, request: Request, version: Version, _: str) -> Response:
        return JSONResponse({})

    async def _list_files(self, request: Request, version: Version, _: str) -> Response:
        self._count("files.list")
        now = self._clock.time()
        resources = [resource(stored, now, origin(request)) for stored in self._files.newest_first()]
        return page(request, "files", resources, default=10, most=100)

    async def _get_file(self, request: Request, version: Version, file_id: str) -> Response:
        self._count("files.get")
        current_call.get().notes["file"] = f"files/{file_id}"
        return JSONResponse(resource(self._files.get(file_id), self._clock.time(), origin(request)))

    async def _delete_file(self, request: Request, version: Version, file_id: str) -> Response:
        self._count("files.delete")
        current_call.get().notes["file"] = f"files/{file_id}"
        self._files.delete(file_id)
        return JSONResponse({})


def _not_served(path: str) -> ApiError | None:
    """Return the error for a part of the API that only the cloud has, or None."""
    if re.fullmatch(r"files:register", path):
        return unimplemented("files:register")
    if re.fullmatch(r"files/[^/:]+:download", path):
        return invalid("Only generated files can be downloaded; this one was uploaded.")
    if re.match(r"(batches|corpora|tunedModels|operations|interactions|dynamic|agents|tunings)\b", path):
        return unimplemented(path.partition("/")[0])
    return None


def _no_such_route(request: Request) -> ApiError:
    return ApiError(404, f"Method not found: {request.method} {request.url.path}")


def _refusal(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.code, media_type="application/json; charset=UTF-8")
