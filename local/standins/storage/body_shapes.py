"""The JSON types of the fields that callers send, so that a wrong one is refused by its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.standins.storage.errors import invalid

Shape = type | Mapping[str, "Shape"] | Sequence["Shape"]
"""`str`, `bool`, `dict` (any members); `int` for 64 bits as a number or as text; members by name; a list of one shape.
Members that are not named, and null, may be anything.
"""

_ENABLED: Shape = {"enabled": bool}
BUCKET: Shape = {
    "autoclass": {"enabled": bool, "terminalStorageClass": str},
    "billing": {"requesterPays": bool},
    "cors": [{"maxAgeSeconds": int, "method": [str], "origin": [str], "responseHeader": [str]}],
    "customPlacementConfig": {"dataLocations": [str]},
    "defaultEventBasedHold": bool,
    "encryption": {"defaultKmsKeyName": str},
    "hierarchicalNamespace": _ENABLED,
    "iamConfiguration": {
        "bucketPolicyOnly": _ENABLED,
        "publicAccessPrevention": str,
        "uniformBucketLevelAccess": _ENABLED,
    },
    "ipFilter": dict,
    "labels": dict,
    "lifecycle": {"rule": [{"action": {"storageClass": str, "type": str}, "condition": dict}]},
    "location": str,
    "logging": {"logBucket": str, "logObjectPrefix": str},
    "name": str,
    "retentionPolicy": {"isLocked": bool, "retentionPeriod": int},
    "rpo": str,
    "softDeletePolicy": {"retentionDurationSeconds": int},
    "storageClass": str,
    "versioning": _ENABLED,
    "website": {"mainPageSuffix": str, "notFoundPage": str},
}
POLICY: Shape = {"bindings": [{"condition": dict, "members": [str], "role": str}], "etag": str, "version": int}
NOTIFICATION: Shape = {
    "custom_attributes": dict,
    "event_types": [str],
    "object_name_prefix": str,
    "payload_format": str,
    "topic": str,
}
COMPOSITION: Shape = {
    "destination": dict,
    "sourceObjects": [{"generation": int, "name": str, "objectPreconditions": {"ifGenerationMatch": int}}],
}
_NAMES = {str: "a string", bool: "true or false", int: "a number of 64 bits", dict: "an object", list: "a list"}
_NUMBER = re.compile(r"-?[0-9]{1,19}")


def check_shape(body: Any, shape: Shape) -> None:
    """Raise the 400 that names the first field whose value has another type than `shape` says."""
    for path, expected in _misfits(body, shape, ""):
        raise invalid(f"Invalid value at '{path}': {_NAMES[expected]} is expected.")


def is_number(text: str) -> bool:
    """Return whether a text is a number of 64 bits."""
    return _NUMBER.fullmatch(text) is not None and -(1 << 63) <= int(text) < 1 << 63


def _misfits(value: Any, shape: Shape, path: str) -> Iterator[tuple[str, type]]:
    if value is None:
        return
    if isinstance(shape, type):
        if not _fits(value, shape):
            yield path, shape
    elif isinstance(shape, Mapping):
        if not isinstance(value, dict):
            yield path, dict
            return
        for name, inner in shape.items():
            yield from _misfits(value.get(name), inner, f"{path}.{name}".lstrip("."))
    elif not isinstance(value, list):
        yield path, list
    else:
        for number, item in enumerate(value):
            if item is None:
                yield f"{path}[{number}]", shape[0] if isinstance(shape[0], type) else dict
            yield from _misfits(item, shape[0], f"{path}[{number}]")


def _fits(value: Any, shape: type) -> bool:
    if shape is int:
        return not isinstance(value, bool) and isinstance(value, int | str) and is_number(str(value)[:21])
    return isinstance(value, shape)
