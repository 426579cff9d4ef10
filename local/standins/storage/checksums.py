"""The object name and checksums that a caller states for an upload, and the check against the bytes."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers

from local.standins.ledger import current_call
from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.object_config import check_checksum_form
from local.standins.storage.records import Json
from local.standins.storage.request import ApiRequest

_SHOWN = {"crc32c": "CRC32C", "md5Hash": "MD5 hash"}


def object_name(request: ApiRequest, metadata: Json) -> str:
    """Return the object's name from the query, else from the metadata."""
    name = request.query.get("name", metadata.get("name"))
    if name is None:
        raise ApiError(400, "Required object name is missing.", "required")
    if not isinstance(name, str):
        raise invalid("Invalid value for name: a string is expected.")
    note_object(request.parts["bucket"], name)
    return name


def note_object(bucket: str, name: str) -> None:
    current_call.get().notes["object"] = f"gs://{bucket}/{name}"


def stated_checksums(metadata: Json, headers: Headers) -> dict[str, str]:
    """Return the checksums in the metadata (`md5Hash`, `crc32c`) and the headers `X-Goog-Hash` and `Content-MD5`."""
    stated = {}
    for field, kind in (("crc32c", "crc32c"), ("md5Hash", "md5")):
        if metadata.get(field):
            stated[field] = check_checksum_form(kind, metadata[field])
    if "content-md5" in headers:
        stated["md5Hash"] = check_checksum_form("md5", headers["content-md5"])
    for item in ",".join(headers.getlist("x-goog-hash")).split(","):
        kind, _, value = item.strip().partition("=")
        if kind in ("crc32c", "md5"):
            stated["md5Hash" if kind == "md5" else kind] = check_checksum_form(kind, value)
    return stated


def check_digests(stated: Mapping[str, str], digests: Mapping[str, str]) -> None:
    for field, value in stated.items():
        if digests[field] != value:
            label = _SHOWN[field]
            raise invalid(f'Provided {label} "{value}" doesn\'t match calculated {label} "{digests[field]}".')
