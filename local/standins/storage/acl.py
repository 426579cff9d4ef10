"""Access control lists: the predefined ones, and one entry's resource. They are kept and shown, never enforced."""

from __future__ import annotations

from typing import Any, Literal

from local.standins.storage.errors import ApiError, invalid
from local.standins.storage.records import PROJECT_NUMBER, Bucket, Json, ObjectVersion

AclField = Literal["acl", "defaultObjectAcl"]

CALLER = "user-stand-in@localhost.invalid"
"""The user that every caller counts as; the stand-in checks no credentials."""

_PROJECT = [
    {"entity": f"project-owners-{PROJECT_NUMBER}", "role": "OWNER"},
    {"entity": f"project-editors-{PROJECT_NUMBER}", "role": "OWNER"},
    {"entity": f"project-viewers-{PROJECT_NUMBER}", "role": "READER"},
]
_USERS = {"entity": "allUsers", "role": "READER"}
_AUTHENTICATED = {"entity": "allAuthenticatedUsers", "role": "READER"}
_BUCKET_LISTS: dict[str, list[Json]] = {
    "private": [{"entity": CALLER, "role": "OWNER"}],
    "projectPrivate": _PROJECT,
    "authenticatedRead": [_PROJECT[0], _AUTHENTICATED],
    "publicRead": [_PROJECT[0], _USERS],
    "publicReadWrite": [_PROJECT[0], {"entity": "allUsers", "role": "WRITER"}],
    # Made for objects, but Google's conformance tests give them to buckets too.
    "bucketOwnerRead": [{**_PROJECT[0], "role": "READER"}],
    "bucketOwnerFullControl": [_PROJECT[0]],
}
_OBJECT_LISTS: dict[str, list[Json]] = {
    "private": [],
    "projectPrivate": _PROJECT,
    "authenticatedRead": [_AUTHENTICATED],
    "publicRead": [_USERS],
    "bucketOwnerRead": [{**_PROJECT[0], "role": "READER"}],
    "bucketOwnerFullControl": [_PROJECT[0]],
}
_ROLES: dict[str, tuple[str, ...]] = {
    "bucket": ("OWNER", "WRITER", "READER"),
    "object": ("OWNER", "READER"),
}
_PUBLIC = ("allUsers", "allAuthenticatedUsers")


def predefined_bucket_acl(name: str) -> list[Json]:
    return _named(_BUCKET_LISTS, name, "predefinedAcl")


def predefined_default_acl(name: str) -> list[Json]:
    return _named(_OBJECT_LISTS, name, "predefinedDefaultObjectAcl")


def predefined_object_acl(name: str) -> list[Json]:
    """Return a predefined list of an object; it includes the creator."""
    return [*_named(_OBJECT_LISTS, name, "predefinedAcl"), {"entity": CALLER, "role": "OWNER"}]


def object_acl_of(bucket: Bucket) -> list[Json]:
    """Return the default list of a new object."""
    listed = [entry for entry in bucket.state.get("defaultObjectAcl", []) if entry["entity"] != CALLER]
    return [*listed, {"entity": CALLER, "role": "OWNER"}]


def check_entries(entries: Any, of: Literal["bucket", "object"]) -> list[Json]:
    """Check a caller's entries and return them reduced to entity and role, one for each entity. Raises ApiError."""
    if not isinstance(entries, list):
        raise invalid("Invalid argument: an access control list is a list of entries.")
    checked: dict[str, Json] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("entity"), str) or not entry["entity"]:
            raise ApiError(400, "Required parameter: entity", "required")
        if entry.get("role") not in _ROLES[of]:
            raise invalid(f"Invalid role: {entry.get('role')}")
        checked[entry["entity"]] = {"entity": entry["entity"], "role": entry["role"]}
    return list(checked.values())


def refuse_public(bucket: Bucket, entries: list[Json]) -> None:
    enforced = bucket.state["iamConfiguration"].get("publicAccessPrevention") == "enforced"
    if enforced and any(entry["entity"] in _PUBLIC for entry in entries):
        raise ApiError(
            412,
            "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access "
            "prevention is enforced.",
        )


def refuse_under_uniform_access(bucket: Bucket, what: str) -> None:
    if bucket.uniform:
        raise invalid(
            f"Cannot {what} when uniform bucket-level access is enabled. Read more at "
            "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )


def entry_resource(entry: Json, kind: AclField, holder: Bucket | ObjectVersion, base: str) -> Json:
    is_object = isinstance(holder, ObjectVersion)
    bucket = holder.bucket if isinstance(holder, ObjectVersion) else holder.name
    resource_kind = "objectAccessControl" if is_object or kind == "defaultObjectAcl" else "bucketAccessControl"
    resource: Json = {"kind": f"storage#{resource_kind}", "bucket": bucket, "etag": holder.etag, **entry}
    if isinstance(holder, ObjectVersion):
        resource |= {"object": holder.name, "generation": str(holder.generation)}
        resource["id"] = f"{bucket}/{holder.name}/{holder.generation}/{entry['entity']}"
    elif kind == "acl":
        resource["id"] = f"{bucket}/{entry['entity']}"
        resource["selfLink"] = f"{base}/storage/v1/b/{bucket}/acl/{entry['entity']}"
    entity = str(entry["entity"])
    if entity.startswith("project-"):
        team, number = entity.removeprefix("project-").split("-", 1)
        resource["projectTeam"] = {"team": team, "projectNumber": number}
    elif entity.startswith(("user-", "group-")) and "@" in entity:
        resource["email"] = entity.split("-", 1)[1]
    elif entity.startswith("domain-"):
        resource["domain"] = entity.removeprefix("domain-")
    return resource


def _named(lists: dict[str, list[Json]], name: str, parameter: str) -> list[Json]:
    if name not in lists:
        raise invalid(f"Invalid value for {parameter}: {name}")
    return [dict(entry) for entry in lists[name]]
