"""Buckets and object versions as stored, and their resources in the JSON API."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

PROJECT_NUMBER = "100000000000"
OWNER = f"project-owners-{PROJECT_NUMBER}"
ACL_FIELDS = ("acl", "defaultObjectAcl", "owner")


def timestamp(seconds: float) -> str:
    """Format a time as Cloud Storage does: RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _etag(*numbers: int) -> str:
    """Return an opaque tag that depends on `numbers`: an encoded protocol buffer, as Cloud Storage's own tags."""
    fields = b"".join(bytes([index << 3]) + _varint(number) for index, number in enumerate(numbers, 1))
    return base64.b64encode(fields).decode()


@dataclass(frozen=True)
class Bucket:
    name: str
    generation: int
    metageneration: int
    state: Json
    """The resource without what is derived: configuration, times, ACLs."""
    iam: Json | None = None
    notifications: dict[str, Json] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return _etag(self.metageneration)

    @property
    def versioned(self) -> bool:
        return bool(self.state.get("versioning", {}).get("enabled"))

    @property
    def uniform(self) -> bool:
        """Whether IAM alone grants access and ACLs are disabled."""
        return bool(self.state["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])

    def resource(self, base: str, full: bool = False) -> Json:
        hidden = ACL_FIELDS if self.uniform or not full else ()
        return {
            "kind": "storage#bucket",
            "id": self.name,
            "selfLink": f"{base}/storage/v1/b/{self.name}",
            "name": self.name,
            "projectNumber": PROJECT_NUMBER,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "etag": self.etag,
            **{key: value for key, value in self.state.items() if key not in hidden},
        }


@dataclass(frozen=True)
class ObjectVersion:
    bucket: str
    name: str
    generation: int
    metageneration: int
    live: bool
    content: str
    """The id of the file that holds the bytes; versions made by a copy share one."""
    size: int
    state: Json
    """The resource without what is derived: checksums, times, type, custom metadata, ACL, holds."""

    @property
    def etag(self) -> str:
        return _etag(self.generation, self.metageneration)

    @property
    def hashes(self) -> list[str]:
        """The `x-goog-hash` values."""
        checksums = [("crc32c", self.state.get("crc32c")), ("md5", self.state.get("md5Hash"))]
        return [f"{kind}={value}" for kind, value in checksums if value]

    def resource(self, base: str, full: bool = False) -> Json:
        path = f"b/{self.bucket}/o/{quote(self.name, safe='')}"
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{base}/storage/v1/{path}",
            "mediaLink": f"{base}/download/storage/v1/{path}?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "size": str(self.size),
            "etag": self.etag,
            **{key: value for key, value in self.state.items() if full or key not in ACL_FIELDS},
        }
