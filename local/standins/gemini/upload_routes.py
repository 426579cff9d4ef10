"""`/upload/{version}/files`: the upload protocol on the wire, in headers."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.body import json_body, parsed
from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import checked_id, resource
from local.standins.gemini.uploads import GRANULARITY, Session, Uploads
from local.standins.gemini.wire import read_message
from local.standins.ledger import Ledger, current_call
from shared.clock import Clock

_METADATA_BYTES = 1 << 20
_MULTIPART_BYTES = 64 << 20


class UploadRoutes:
    def __init__(self, uploads: Uploads, clock: Clock, ledger: Ledger) -> None:
        self._uploads, self._clock, self._ledger = uploads, clock, ledger

    def needs_key(self, request: Request) -> bool:
        """Return whether a request needs an API key: only a start does; later ones have an upload id."""
        return "upload_id" not in request.query_params

    async def handle(self, request: Request, behaviour: Behaviour) -> Response:
        if not self.needs_key(request):
            return await self._continue(request, behaviour)
        protocol = request.headers.get("x-goog-upload-protocol", request.query_params.get("uploadType", "")).lower()
        if protocol == "resumable":
            return await self._start(request)
        if protocol == "multipart":
            return await self._multipart(request, behaviour)
        if protocol in ("raw", "media"):
            return await self._raw(request, behaviour)
        if protocol:
            raise invalid(f"Unknown upload protocol: {protocol}.")
        return await self._metadata_only(request)

    async def _start(self, request: Request) -> Response:
        headers = request.headers
        if (command := headers.get("x-goog-upload-command", "start").lower().strip()) != "start":
            raise invalid(f"An upload begins with the command start, not {command!r}.")
        described = _described(await json_body(request, _METADATA_BYTES))
        announced = headers.get("x-goog-upload-header-content-length")
        if announced is not None and not _is_number(announced):
            raise invalid(f"Invalid X-Goog-Upload-Header-Content-Length: {announced!r}.")
        size = int(announced) if announced is not None else _size(described)
        session = self._session(described, headers.get("x-goog-upload-header-content-type"), size)
        query = f"upload_id={session.id}&upload_protocol=resumable"
        answer = {
            "x-goog-upload-status": "active",
            "x-goog-upload-url": f"{origin(request)}{request.url.path}?{query}",
            "x-goog-upload-control-url": f"{origin(request)}{request.url.path}?{query}",
            "x-goog-upload-chunk-granularity": str(GRANULARITY),
            "x-guploader-uploadid": session.id,
        }
        return Response(headers=answer, media_type="text/plain")

    async def _continue(self, request: Request, behaviour: Behaviour) -> Response:
        try:
            session = self._uploads.get(request.query_params["upload_id"])
        except ApiError as error:
            status = "cancelled" if error.code == 499 else "final"
            return JSONResponse(error.body(), error.code, {"x-goog-upload-status": status})
        current_call.get().notes["file"] = f"files/{session.file_id}"
        commands = [word.strip() for word in request.headers.get("x-goog-upload-command", "").lower().split(",")]
        active = {"x-goog-upload-status": "active", "x-goog-upload-chunk-granularity": str(GRANULARITY)}
        if commands == ["query"]:
            return Response(headers={**active, "x-goog-upload-size-received": str(self._uploads.received(session))})
        if commands == ["cancel"]:
            self._uploads.cancel(session)
            return Response(headers={"x-goog-upload-status": "cancelled"})
        if commands not in (["upload"], ["upload", "finalize"], ["finalize"]):
            raise invalid(f"Unknown upload command: {request.headers.get('x-goog-upload-command', '')!r}.")
        if "upload" in commands:
            offset = request.headers.get("x-goog-upload-offset", "")
            if not _is_number(offset):
                raise invalid(f"Invalid X-Goog-Upload-Offset: {offset!r}.")
            last = commands[-1] == "finalize"
            await self._uploads.append(session, int(offset), request.stream(), behaviour, last=last)
            if not last:
                received = str(self._uploads.received(session))
                return Response(headers={**active, "x-goog-upload-size-received": received})
        return await self._finalize(session, request, behaviour)

    async def _finalize(self, session: Session, request: Request, behaviour: Behaviour) -> Response:
        stored = await self._uploads.finalize(session, behaviour)
        self._ledger.count("gemini", "uploads")
        answer = {"file": resource(stored, self._clock.time(), origin(request))}
        return JSONResponse(answer, headers={"x-goog-upload-status": "final"})

    async def _raw(self, request: Request, behaviour: Behaviour) -> Response:
        session = self._session({}, request.headers.get("content-type"), None)
        await self._uploads.append(session, 0, request.stream(), behaviour, last=True)
        return await self._finalize(session, request, behaviour)

    async def _multipart(self, request: Request, behaviour: Behaviour) -> Response:
        """multipart/related (or form-data): first the metadata, then the bytes. Held in memory, so for small files."""
        pieces, size = [], 0
        async for piece in request.stream():
            size += len(piece)
            if size <= _MULTIPART_BYTES:
                pieces.append(piece)
        if size > _MULTIPART_BYTES:
            raise invalid(f"A multipart upload may have {_MULTIPART_BYTES} bytes; use a resumable one.")
        head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
        message = email.message_from_bytes(head + b"".join(pieces), policy=email.policy.HTTP)
        parts = list(message.iter_parts()) if message.is_multipart() else []
        if len(parts) != 2:
            raise invalid("A multipart upload has two parts: the metadata as JSON, then the file's bytes.")
        metadata, content = (part.get_payload(decode=True) for part in parts)
        assert isinstance(metadata, bytes)
        assert isinstance(content, bytes)
        described = _described(parsed(metadata))
        session = self._session(described, parts[1].get_content_type(), len(content))
        await self._uploads.append(session, 0, _once(content), behaviour, last=True)
        return await self._finalize(session, request, behaviour)

    async def _metadata_only(self, request: Request) -> Response:
        _described(await json_body(request, _METADATA_BYTES))
        raise invalid("The file has no content: start an upload with the header X-Goog-Upload-Protocol.")

    def _session(self, described: dict[str, Any], content_type: str | None, size: int | None) -> Session:
        file_id = checked_id(described["name"]) if described.get("name") else None
        if file_id is not None:
            current_call.get().notes["file"] = f"files/{file_id}"
        mime_type = described.get("mimeType") or content_type
        if not mime_type or "/" not in mime_type:
            raise invalid(f"Unsupported MIME type: {mime_type or '(none)'}")
        session = self._uploads.start(file_id, described.get("displayName"), mime_type, size)
        current_call.get().notes["file"] = f"files/{session.file_id}"
        return session


def origin(request: Request) -> str:
    """Return the service's URL as the caller reached it."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _described(body: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = read_message("CreateFileRequest", body).get("file", {})
    if len(described.get("displayName", "")) > 512:
        raise invalid("* CreateFileRequest.file.display_name: the display name may have up to 512 characters.")
    return described


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 19


def _size(described: dict[str, Any]) -> int | None:
    size = described.get("sizeBytes")
    return int(size) if size is not None else None


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
