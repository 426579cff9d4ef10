"""Whole objects by the XML API, as signed URLs and web pages use it: GET, HEAD, PUT, DELETE, and resumable uploads."""

from __future__ import annotations

from dataclasses import replace

from starlette.datastructures import Headers
from starlette.responses import Response

from local.standins.storage.catalog import Catalog
from local.standins.storage.conditions import Preconditions
from local.standins.storage.downloads import Downloads
from local.standins.storage.errors import invalid, not_offered
from local.standins.storage.records import Json
from local.standins.storage.request import ApiRequest
from local.standins.storage.resumable import Resumables
from local.standins.storage.uploads import Uploads

_HEADERS = {
    "content-type": "contentType",
    "cache-control": "cacheControl",
    "content-disposition": "contentDisposition",
    "content-encoding": "contentEncoding",
    "content-language": "contentLanguage",
    "x-goog-storage-class": "storageClass",
    "x-goog-custom-time": "customTime",
    "x-goog-encryption-kms-key-name": "kmsKeyName",
}
_ACLS = {
    "private": "private",
    "project-private": "projectPrivate",
    "public-read": "publicRead",
    "authenticated-read": "authenticatedRead",
    "bucket-owner-read": "bucketOwnerRead",
    "bucket-owner-full-control": "bucketOwnerFullControl",
}
_SUBRESOURCES = frozenset({"acl", "uploads", "uploadId", "tagging", "retention", "compose", "legal-hold"})


class XmlObjects:
    def __init__(self, catalog: Catalog, downloads: Downloads, uploads: Uploads, resumables: Resumables) -> None:
        self._catalog, self._downloads = catalog, downloads
        self._uploads, self._resumables = uploads, resumables

    async def answer(self, request: ApiRequest, bucket: str, name: str) -> Response:
        """Answer a request for an object. Raises ApiError, also for what is not offered."""
        method, headers = request.http.method, request.http.headers
        offered = name and not request.query.keys() & _SUBRESOURCES and "x-goog-copy-source" not in headers
        if offered and method in ("GET", "HEAD"):
            request.ledger.count("storage", "class_b")
            version = self._catalog.object(bucket, name, request.generation, _preconditions(request))
            return self._downloads.media(request, version)
        if offered and method == "DELETE":
            self._catalog.remove(bucket, name, request.generation, _preconditions(request))
            return Response(None, 204)
        resumable = headers.get("x-goog-resumable")
        if offered and method in ("POST", "PUT") and resumable == "start":
            request.ledger.count("storage", "class_a")
            conditions = _preconditions(request)
            return self._resumables.open(request, bucket, name, metadata_of(headers), _acl(headers), conditions, 201)
        if offered and method == "PUT" and resumable is None:
            request.ledger.count("storage", "class_a")
            return await self._put(request, bucket, name)
        raise not_offered(f"{method} of {'this kind' if name else 'a bucket'} by the XML API")

    async def _put(self, request: ApiRequest, bucket: str, name: str) -> Response:
        headers, chunks = request.http.headers, request.http.stream()
        version = await self._uploads.store(
            request, bucket, name, metadata_of(headers), chunks, _acl(headers), _preconditions(request)
        )
        stored = {
            "etag": version.etag,
            "x-goog-generation": str(version.generation),
            "x-goog-metageneration": str(version.metageneration),
            "x-goog-hash": ",".join(version.hashes),
        }
        return Response(None, 200, stored)


def metadata_of(headers: Headers) -> Json:
    """Return the JSON API's metadata of an object from the headers of its upload."""
    metadata: Json = {}
    for header, value in headers.items():
        if header in _HEADERS:
            metadata[_HEADERS[header]] = value
        elif header.startswith("x-goog-meta-"):
            metadata.setdefault("metadata", {})[header.removeprefix("x-goog-meta-")] = value
    return metadata


def _acl(headers: Headers) -> dict[str, str]:
    """Return the predefined ACL of an upload as the JSON API's query names it."""
    name = headers.get("x-goog-acl")
    if name is None:
        return {}
    if name not in _ACLS:
        raise invalid(f"Invalid value for x-goog-acl: {name!r}; it is one of {', '.join(_ACLS)}.")
    return {"predefinedAcl": _ACLS[name]}


def _preconditions(request: ApiRequest) -> Preconditions:
    return replace(
        request.preconditions,
        generation=request.header_number("x-goog-if-generation-match"),
        metageneration=request.header_number("x-goog-if-metageneration-match"),
    )
