"""`fileSearchStores`: stores, their documents, and the import of files."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.standins.gemini.body import json_body
from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import FileStore
from local.standins.gemini.media import Kind
from local.standins.gemini.models import Version
from local.standins.gemini.paging import check_parameters, page
from local.standins.gemini.search_stores import SearchStores
from local.standins.gemini.wire import read_message
from local.standins.ledger import Ledger, current_call
from shared.clock import Clock

Answer = Callable[[Request, Version, str], Coroutine[Any, Any, Response]]

_BODY_BYTES = 1 << 20
_FILE_BYTES = 100 * 1024**2
"""The largest file of a store: 100 MB."""
_SEARCHABLE: tuple[Kind, ...] = ("text", "document")
"""Audio and video are not taken; pictures only by a store with a multimodal embedding model, which this lacks."""


class SearchRoutes:
    def __init__(self, stores: SearchStores, files: FileStore, clock: Clock, ledger: Ledger) -> None:
        self._stores, self._files, self._clock, self._ledger = stores, files, clock, ledger
        self._operations: dict[str, dict[str, Any]] = {}

    def table(self) -> list[tuple[str, re.Pattern[str], Answer]]:
        """Return the method, path and handler of each route."""
        store = r"(fileSearchStores/[^/:]+)"
        document, operation = store[:-1] + r"/documents/[^/:]+)", store[:-1] + r"/operations/[^/:]+)"
        return [
            ("POST", re.compile(r"fileSearchStores"), self.create),
            ("GET", re.compile(r"fileSearchStores"), self.list_stores),
            ("GET", re.compile(store), self.get),
            ("DELETE", re.compile(store), self.delete),
            ("POST", re.compile(store + ":importFile"), self.import_file),
            ("GET", re.compile(operation), self.get_operation),
            ("GET", re.compile(store + "/documents"), self.list_documents),
            ("GET", re.compile(document), self.get_document),
            ("DELETE", re.compile(document), self.delete_document),
        ]

    async def create(self, request: Request, version: Version, _: str) -> Response:
        self._count("create")
        body = read_message("FileSearchStore", await json_body(request, _BODY_BYTES))
        return JSONResponse(self._stores.create(body.get("displayName")).resource())

    async def list_stores(self, request: Request, version: Version, _: str) -> Response:
        self._count("list")
        resources = [store.resource() for store in self._stores.listed()]
        return page(request, "fileSearchStores", resources, default=10, most=20)

    async def get(self, request: Request, version: Version, name: str) -> Response:
        return JSONResponse(self._stores.get(name).resource())

    async def delete(self, request: Request, version: Version, name: str) -> Response:
        self._count("delete")
        self._stores.delete(name, force=_forced(request))
        return JSONResponse({})

    async def import_file(self, request: Request, version: Version, name: str) -> Response:
        """Add a file of the Files API; answers with an operation that is done the first time somebody asks."""
        self._count("importFile")
        body = read_message("ImportFileRequest", await json_body(request, _BODY_BYTES))
        stored = self._files.get(str(body.get("fileName", "")).removeprefix("files/"))
        current_call.get().notes["file"] = f"files/{stored.id}"
        if stored.state(self._clock.time()) != "ACTIVE":
            raise ApiError(400, f"The File {stored.id} is not in an ACTIVE state.", "FAILED_PRECONDITION")
        operation: dict[str, Any] = {"name": f"{name}/operations/{secrets.token_hex(8)}"}
        if stored.media.kind not in _SEARCHABLE or stored.size > _FILE_BYTES:
            self._stores.get(name)
            message = f"Unsupported file: {stored.mime_type} of {stored.size} bytes."
            done: dict[str, Any] = {"error": {"code": 3, "message": message}}
        else:
            # Of a PDF, what was read when it was uploaded: its first words.
            path, is_text = self._files.path(stored.id), stored.media.kind == "text"
            text = await asyncio.to_thread(_plain_text, path) if is_text else stored.media.text
            described = {"display_name": stored.display_name or f"files/{stored.id}", "mime_type": stored.mime_type}
            document = self._stores.add(
                name, text, {**described, "size": stored.size, "metadata": body.get("customMetadata", [])}
            )
            self._ledger.count("gemini", "indexed_tokens", document.tokens)
            done = {"response": {"parent": name, "documentName": document.name}}
        self._operations[operation["name"]] = {**operation, "done": True, **done}
        return JSONResponse(operation)

    async def get_operation(self, request: Request, version: Version, name: str) -> Response:
        if (operation := self._operations.get(name)) is None:
            raise ApiError(404, f"The operation {name} does not exist.")
        return JSONResponse(operation)

    async def list_documents(self, request: Request, version: Version, name: str) -> Response:
        self._count("documents.list")
        resources = [document.resource() for document in self._stores.get(name).documents]
        return page(request, "documents", resources, default=10, most=20)

    async def get_document(self, request: Request, version: Version, name: str) -> Response:
        return JSONResponse(self._stores.document(name).resource())

    async def delete_document(self, request: Request, version: Version, name: str) -> Response:
        self._count("documents.delete")
        self._stores.remove(name, force=_forced(request))
        return JSONResponse({})

    def _count(self, what: str) -> None:
        self._ledger.count("gemini", f"fileSearchStores.{what}")


def _forced(request: Request) -> bool:
    check_parameters(request, frozenset({"force"}))
    value = request.query_params.get("force", "false").lower()
    if value not in ("true", "false"):
        raise invalid(f"Invalid value at 'force' (TYPE_BOOL), \"{value}\"")
    return value == "true"


def _plain_text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")
