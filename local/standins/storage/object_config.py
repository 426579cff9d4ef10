"""The settable metadata of an object: type, encoding, custom metadata, holds, retention, ACL."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.standins.storage.acl import (
    check_entries,
    object_acl_of,
    predefined_object_acl,
    refuse_public,
    refuse_under_uniform_access,
)
from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.records import Bucket, Json

STORAGE_CLASSES = (
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
)
_TEXTS = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType")
_HOLDS = ("eventBasedHold", "temporaryHold")
_SETTABLE = (*_TEXTS, *_HOLDS, "metadata", "customTime", "retention", "contexts")
_CUSTOM_METADATA_LIMIT = 8 << 10
_CHECKSUM_SIZES = {"crc32c": 4, "md5": 16}


def new_state(metadata: Json, query: Mapping[str, str], bucket: Bucket) -> Json:
    """Return a new object's state from its metadata, the query and the bucket's defaults. Raises ApiError."""
    state = with_settable({}, metadata)
    if (encoding := query.get("contentEncoding")) is not None:
        state["contentEncoding"] = encoding
    storage_class = metadata.get("storageClass") or bucket.state.get("storageClass", "STANDARD")
    state["storageClass"] = check_storage_class(storage_class)
    if "eventBasedHold" not in state and bucket.state.get("defaultEventBasedHold"):
        state["eventBasedHold"] = True
    if "retention" in state and not bucket.state.get("objectRetention"):
        raise invalid("Object retention is not enabled on this bucket.")
    key = (
        query.get("kmsKeyName")
        or metadata.get("kmsKeyName")
        or (bucket.state.get("encryption") or {}).get("defaultKmsKeyName")
    )
    if key:
        # Named as the cloud names it; nothing is encrypted with it.
        state["kmsKeyName"] = f"{str(key).split('/cryptoKeyVersions/')[0]}/cryptoKeyVersions/1"
    state |= acl_state(metadata.get("acl"), query.get("predefinedAcl"), bucket)
    return state


def acl_state(entries: object, predefined: str | None, bucket: Bucket) -> Json:
    if entries is None and predefined is None:
        acl = object_acl_of(bucket)
    else:
        refuse_under_uniform_access(bucket, "insert legacy ACL for an object")
        acl = predefined_object_acl(predefined) if predefined is not None else check_entries(entries, "object")
        refuse_public(bucket, acl)
    return {"acl": acl, "owner": {"entity": acl[-1]["entity"]} if acl else {}}


def patch_state(state: Json, patch: Json) -> Json:
    """Return `state` merged with `patch`: null removes a field, and within `metadata` a key."""
    merged = dict(patch)
    for field in ("metadata", "contexts"):
        if isinstance(patch.get(field), dict):
            entries = {**(state.get(field) or {}), **patch[field]}
            merged[field] = {key: value for key, value in entries.items() if value is not None} or None
    return with_settable(state, merged)


def replace_state(state: Json, metadata: Json) -> Json:
    """Return `state` with all settable fields replaced by `metadata`; fields that it lacks are cleared."""
    return with_settable(state, {**dict.fromkeys(_SETTABLE), "customTime": state.get("customTime"), **metadata})


def with_settable(state: Json, metadata: Json) -> Json:
    """Return `state` with the settable fields of `metadata`; other fields are ignored, as in the cloud."""
    result = dict(state)
    for field in _SETTABLE:
        if field not in metadata:
            continue
        value = metadata[field]
        if value is None:
            if field == "customTime" and state.get(field):
                raise invalid("Custom time cannot be removed once it is set.")
            result.pop(field, None)
        else:
            result[field] = _checked(field, value, state)
    if result.get("retention") == {}:
        del result["retention"]
    return result


def check_storage_class(name: Any) -> str:
    if name not in STORAGE_CLASSES:
        raise invalid(f"Invalid argument: the storage class {name!r} is unknown.")
    return str(name)


def check_checksum_form(kind: str, value: Any) -> str:
    """Return a caller's base64 checksum. Raises ApiError for a malformed one."""
    try:
        size = len(base64.b64decode(value, validate=True))
    except (TypeError, ValueError, binascii.Error):
        size = -1
    if size != _CHECKSUM_SIZES[kind]:
        raise invalid(f"Invalid {kind} value: {value!r}")
    return str(value)


def parse_time(text: Any) -> datetime:
    """Parse an RFC 3339 time with a zone. Raises ApiError for other text."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        time = None
    if time is None or time.tzinfo is None:
        raise invalid(f"Invalid date-time value: {text!r}")
    return time


def _checked(field: str, value: Any, state: Json) -> Any:
    if field in _TEXTS:
        return _text(field, value)
    if field in _HOLDS:
        if not isinstance(value, bool):
            raise invalid(f"Invalid boolean value for {field}: {value!r}")
        return value
    if field == "metadata":
        return _custom_metadata(value)
    if field == "customTime":
        if (before := state.get("customTime")) and parse_time(value) < parse_time(before):
            raise invalid("Custom time cannot be moved to an earlier time.")
        parse_time(value)
        return value
    if field == "retention":
        return _retention(value)
    return value


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str) or "\r" in value or "\n" in value:
        raise invalid(f"Invalid value for {field}: {value!r}")
    return value


def _custom_metadata(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise invalid("Invalid value for metadata: an object is expected.")
    metadata = {key: item for key, item in value.items() if item is not None}
    if any(not isinstance(item, str) for item in metadata.values()):
        raise invalid("Invalid value for metadata: custom metadata values are strings.")
    if sum(len(key.encode()) + len(item.encode()) for key, item in metadata.items()) > _CUSTOM_METADATA_LIMIT:
        raise ApiError(400, "The metadata for your object exceeds the limit of 8 KiB.", "metadataTooLarge")
    return metadata


def _retention(value: Any) -> Json:
    """Return a checked retention setting, or `{}` if the caller removes it."""
    if not isinstance(value, dict) or not value.get("mode"):
        return {}
    if value["mode"] not in ("Locked", "Unlocked"):
        raise invalid(f"Invalid retention mode: {value['mode']!r}")
    parse_time(value.get("retainUntilTime"))
    return {"mode": value["mode"], "retainUntilTime": value["retainUntilTime"]}
