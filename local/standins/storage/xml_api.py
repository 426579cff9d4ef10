"""The XML API's multipart uploads (`upload_chunks_concurrently`); whole objects are in `xml_objects`.

Objects lie at `/BUCKET/OBJECT`; errors are XML.
"""

from __future__ import annotations

import re
import uuid
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from starlette.responses import Response

from local.standins.storage.catalog import Catalog
from local.standins.storage.checksums import check_digests, note_object, stated_checksums
from local.standins.storage.content import Digests, concatenate
from local.standins.storage.encryption import customer_key
from local.standins.storage.errors import ApiError, invalid, no_such_bucket
from local.standins.storage.object_config import new_state
from local.standins.storage.records import Json
from local.standins.storage.request import ApiRequest, discard_body
from local.standins.storage.xml_objects import XmlObjects, metadata_of

_RESERVED = ("storage", "upload", "download", "batch")
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_PARTS_LIMIT = 10_000
_LEAST_PART = 5 << 20
_PART = re.compile(r"<(?:\w+:)?Part>((?:[^<]|<(?!/?(?:\w+:)?Part>))*+)</(?:\w+:)?Part>")
_NUMBER = re.compile(r"<(?:\w+:)?PartNumber>\s*(\d+)\s*<")
_TAG = re.compile(r"<(?:\w+:)?ETag>\s*+([^<]*+)<")
_CODES = {400: "InvalidArgument", 404: "NoSuchKey", 412: "PreconditionFailed", 416: "InvalidRange"}


class XmlApi:
    def __init__(self, catalog: Catalog, objects: XmlObjects) -> None:
        self._catalog, self._objects = catalog, objects

    async def call(self, request: ApiRequest) -> Response:
        """Handle every request outside the JSON API's paths."""
        bucket, _, name = request.parts["path"].partition("/")
        if bucket in ("", *_RESERVED):
            raise ApiError(404, "Not Found")
        bucket, name = unquote(bucket), unquote(name)
        note_object(bucket, name)
        try:
            return await self._answer(request, bucket, name)
        except ApiError as refusal:
            await discard_body(request.http)
            return _refused(refusal)

    async def _answer(self, request: ApiRequest, bucket: str, name: str) -> Response:
        method, query = request.http.method, request.query
        if method == "POST" and "uploads" in query:
            return self._initiate(request, bucket, name)
        if method == "PUT" and "uploadId" in query and "partNumber" in query:
            return await self._part(request)
        if method == "POST" and "uploadId" in query:
            return await self._complete(request)
        if method == "DELETE" and "uploadId" in query:
            return self._abort(request)
        return await self._objects.answer(request, bucket, name)

    def _initiate(self, request: ApiRequest, bucket: str, name: str) -> Response:
        holder = self._catalog.check_place(bucket, name, request.preconditions)
        state = new_state(metadata_of(request.http.headers), {}, holder) | customer_key(request.http.headers)
        upload_id = uuid.uuid4().hex
        self._catalog.store.put_upload(upload_id, "parts", {"bucket": bucket, "name": name, "state": state})
        request.ledger.count("storage", "class_a")
        inner = f"<Bucket>{bucket}</Bucket><Key>{escape(name)}</Key><UploadId>{upload_id}</UploadId>"
        return _xml("InitiateMultipartUploadResult", inner)

    async def _part(self, request: ApiRequest) -> Response:
        upload_id, _ = self._upload(request)
        number = request.number("partNumber") or 0
        if not 1 <= number <= _PARTS_LIMIT:
            raise invalid(f"Part numbers are 1 to {_PARTS_LIMIT}.")
        contents, store = self._catalog.contents, self._catalog.store
        writer = contents.new()
        try:
            await contents.pour(request.http.stream(), writer)
            digests = writer.digests.values()
            check_digests(stated_checksums({}, request.http.headers), digests)
            self._upload(request)  # it may have ended meanwhile
        except BaseException:
            contents.discard(writer.content)
            raise
        with store.transaction():
            before = store.rows("SELECT content FROM parts WHERE upload = ? AND number = ?", (upload_id, number))
            values = (upload_id, number, writer.content, writer.size, digests["md5Hash"])
            store.change("INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?)", values)
        for row in before:
            contents.discard(row[0])
        request.ledger.count("storage", "class_a")
        request.ledger.count("storage", "bytes_in", writer.size)
        hashes = f"crc32c={digests['crc32c']},md5={digests['md5Hash']}"
        return Response(None, 200, {"etag": f'"{digests["md5Hash"]}"', "x-goog-hash": hashes})

    async def _complete(self, request: ApiRequest) -> Response:
        upload_id, record = self._upload(request)
        listed = _listed_parts((await request.body()).decode("utf-8", "replace"))
        rows = self._catalog.store.rows("SELECT number, content, size, etag FROM parts WHERE upload = ?", (upload_id,))
        parts = {row[0]: row[1:] for row in rows}
        if not listed or [number for number, _ in listed] != sorted({number for number, _ in listed}):
            raise invalid("The parts must be listed in ascending order, at least one.")
        for number, tag in listed:
            if number not in parts or tag.strip('"') != parts[number][2]:
                raise invalid(f"Part {number} was not found, or its entity tag does not match.")
        if any(parts[number][1] < _LEAST_PART for number, _ in listed[:-1]):
            raise invalid("Each part but the last must hold at least 5 MiB.")
        contents, store = self._catalog.contents, self._catalog.store
        readers = [contents.open(parts[number][0]) for number, _ in listed]
        writer = contents.new(Digests(md5=False))
        try:
            await contents.run(concatenate, readers, writer)
            self._upload(request)
            version = self._catalog.place(
                *(record["bucket"], record["name"], writer.content, writer.size),
                record["state"] | writer.digests.values(),
                request.preconditions,
                lambda placed: store.put_upload(upload_id, "completed", {}),
            )
        except BaseException:
            contents.discard(writer.content)
            raise
        self._drop_parts(upload_id)
        request.ledger.count("storage", "class_a")
        inner = f"<Bucket>{version.bucket}</Bucket><Key>{escape(version.name)}</Key><ETag>{version.etag}</ETag>"
        return _xml("CompleteMultipartUploadResult", inner, {"x-goog-generation": str(version.generation)})

    def _abort(self, request: ApiRequest) -> Response:
        upload_id, _ = self._upload(request)
        self._catalog.store.put_upload(upload_id, "cancelled", {})
        self._drop_parts(upload_id)
        return Response(None, 204)

    def _upload(self, request: ApiRequest) -> tuple[str, Json]:
        upload_id = request.query["uploadId"]
        state, record = self._catalog.store.upload(upload_id) or ("unknown", {})
        if state != "parts":
            raise ApiError(404, "The requested upload was not found.")
        return upload_id, record

    def _drop_parts(self, upload_id: str) -> None:
        store = self._catalog.store
        for row in store.rows("SELECT content FROM parts WHERE upload = ?", (upload_id,)):
            self._catalog.contents.discard(row[0])
        store.change("DELETE FROM parts WHERE upload = ?", (upload_id,))


def _listed_parts(text: str) -> list[tuple[int, str]]:
    listed = []
    for part in _PART.findall(text):
        number, tag = _NUMBER.search(part), _TAG.search(part)
        if number is None or tag is None:
            raise invalid("A part needs its number and its entity tag.")
        listed.append((int(number.group(1)), unescape(tag.group(1).strip(), {"&quot;": '"', "&#34;": '"'})))
    return listed


def _xml(root: str, inner: str, headers: dict[str, str] | None = None) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{_NAMESPACE}">{inner}</{root}>'
    return Response(text, 200, {"content-type": "application/xml; charset=UTF-8", **(headers or {})})


def _refused(refusal: ApiError) -> Response:
    if refusal.status == 304:
        return Response(None, 304)
    code = "BadDigest" if "doesn't match calculated" in refusal.message else _CODES.get(refusal.status, refusal.reason)
    if refusal.message == no_such_bucket().message:
        code = "NoSuchBucket"
    inner = (
        f"<Code>{code}</Code><Message>{escape(refusal.message)}</Message><Details>{escape(refusal.message)}</Details>"
    )
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error>{inner}</Error>'
    return Response(text, refusal.status, {"content-type": "application/xml; charset=UTF-8", **refusal.headers})
