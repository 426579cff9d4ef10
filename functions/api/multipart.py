"""Read multipart/form-data while it arrives: fields into memory, the file straight into Cloud Storage.

body ──▶ parser ──▶ events ──▶ fields (small, bounded)
                          └──▶ the file's pieces ──▶ ObjectWriter
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from starlette.requests import Request

from functions.api.request_bodies import read_pieces
from shared.cloud.object_writer import ObjectWriter, WrittenObject
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.media import GEMINI

_LONGEST_UPLOAD_SECONDS = 3000.0
_MAX_FIELDS = 200
_FIELD_BYTES = 1 << 20
"""Bytes of all fields together."""
_HEADER_BYTES = 16 << 10
_PLAIN_TYPE = "application/octet-stream"
_UTF8_NAME = re.compile(rb"; *filename\*=utf-8'[^';]*'([^; ]+)", re.IGNORECASE)
"""A name in RFC 5987's form, which .NET clients send in addition to a name in ASCII."""


@dataclass(frozen=True)
class UploadedFile:
    filename: str
    content_type: str
    stored: WrittenObject


@dataclass
class Form:
    fields: list[tuple[str, str]] = field(default_factory=list)
    """In the order of the form; a name may occur several times."""
    file: UploadedFile | None = None


class _Part(NamedTuple):
    name: str
    filename: str | None
    content_type: str


class _PartEnd(NamedTuple):
    pass


_Event = _Part | bytes | _PartEnd


async def read_form(request: Request, writer: ObjectWriter, folder: str, *, name: str | None = None) -> Form:
    """Return the form; its `file` has become an object in `folder`, under a random name if none is given.

    Raises `RequestRefused`.
    """
    form, reader = Form(), _Reader(request)
    size = 0
    try:
        async for part in reader.parts():
            if part.name == "file":
                if form.file is not None:
                    raise FieldRefused("file", "file: send one file a request.")
                stored = await writer.write(
                    folder, reader.data(GEMINI.file_bytes), content_type=part.content_type, name=name
                )
                form.file = UploadedFile(part.filename or "file", part.content_type, stored)
                continue
            value = b"".join([piece async for piece in reader.data(_FIELD_BYTES - size)])
            size += len(value)
            if len(form.fields) >= _MAX_FIELDS:
                raise _unreadable(f"it has more than {_MAX_FIELDS} fields")
            form.fields.append((part.name, value.decode("utf-8", "replace")))
    except RequestRefused:
        await discard(writer, form)
        raise
    return form


async def discard(writer: ObjectWriter, form: Form) -> None:
    """Delete the file of a form that was refused, or whose file had been uploaded before."""
    if form.file is not None:
        await writer.delete(form.file.stored)


class _Reader:
    def __init__(self, request: Request) -> None:
        # Loaded by the first upload only: most requests have no form.
        from python_multipart import MultipartParser
        from python_multipart.multipart import parse_options_header

        self._parse_header = parse_options_header
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise _unreadable("it is not multipart/form-data with a boundary")
        self._pieces = read_pieces(request, _LONGEST_UPLOAD_SECONDS)
        self._events: deque[_Event] = deque()
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = bytearray(), bytearray()
        self._is_whole = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": lambda data, start, end: self._events.append(bytes(data[start:end])),
                "on_part_end": lambda: self._events.append(_PartEnd()),
                "on_end": self._end,
            },
            max_header_size=_HEADER_BYTES,
        )

    async def parts(self) -> AsyncIterator[_Part]:
        """Yield the parts; the data of each must be read before the next one."""
        while (event := await self._next()) is not None:
            if isinstance(event, _Part):
                yield event

    async def data(self, most: int) -> AsyncIterator[bytes]:
        """Yield the data of the latest part. Raises 413 if it has more than `most` bytes."""
        size = 0
        while not isinstance(event := await self._next(), _PartEnd):
            if event is None:
                raise _unreadable("it ends before its last boundary")
            assert isinstance(event, bytes)
            size += len(event)
            if size > most:
                message = f"A part of the form has more than {most:,} bytes, which is more than is taken."
                raise RequestRefused(413, "payload_too_large", message)
            yield event

    async def _next(self) -> _Event | None:
        while not self._events:
            piece = await anext(self._pieces, None)
            if piece is None:
                if not self._is_whole:
                    raise _unreadable("it ends before its last boundary")
                return None
            try:
                self._parser.write(piece)
            except ValueError as error:
                raise _unreadable(str(error)) from None
        return self._events.popleft()

    def _end_header(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _begin_part(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = self._parse_header(disposition)
        filename = options.get(b"filename")
        if (in_utf8 := _UTF8_NAME.search(disposition)) is not None:
            filename = unquote(in_utf8[1].decode("latin-1")).encode()
        self._events.append(
            _Part(
                options.get(b"name", b"").decode("utf-8", "replace"),
                None if filename is None else filename.decode("utf-8", "replace"),
                self._headers.get(b"content-type", b"").decode("latin-1").strip() or _PLAIN_TYPE,
            )
        )

    def _end(self) -> None:
        self._is_whole = True


def _unreadable(why: str) -> RequestRefused:
    return RequestRefused(400, "invalid_param", f"The body cannot be read: {why}.")
