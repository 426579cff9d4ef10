"""Handlers of the buckets' methods, IAM policies and notification configurations among them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from starlette.responses import Response

from local.standins.storage.acl import (
    check_entries,
    predefined_bucket_acl,
    predefined_default_acl,
    refuse_public,
    refuse_under_uniform_access,
)
from local.standins.storage.bucket_config import new_config, patched_config, replaced_config
from local.standins.storage.catalog import Catalog
from local.standins.storage.errors import ApiError, condition_not_met, invalid, not_offered
from local.standins.storage.names import check_bucket_name
from local.standins.storage.records import OWNER, PROJECT_NUMBER, Bucket, Json, timestamp
from local.standins.storage.request import Ask
from local.standins.storage.store import Store

_LOCK_AFTER = 90 * 86400
_PERMISSIONS_OF = "storage."
_EVENT_TYPES = ("OBJECT_FINALIZE", "OBJECT_METADATA_UPDATE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
_FIRST_POLICY: Json = {
    "version": 1,
    "bindings": [
        {
            "role": "roles/storage.legacyBucketOwner",
            "members": [f"projectEditor:{PROJECT_NUMBER}", f"projectOwner:{PROJECT_NUMBER}"],
        },
        {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{PROJECT_NUMBER}"]},
    ],
}
Merge = Callable[[Json, Json, str, str], Json]


class Buckets:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def _store(self) -> Store:
        return self._catalog.store

    async def insert(self, ask: Ask) -> Response:
        given = await ask.json()
        bucket = self.create(
            given,
            ask.query.get("predefinedAcl"),
            ask.query.get("predefinedDefaultObjectAcl"),
            ask.flag("enableObjectRetention"),
        )
        return ask.answer(bucket.resource(ask.base, ask.full))

    def create(
        self,
        given: Json,
        predefined: str | None = None,
        predefined_default: str | None = None,
        object_retention: bool = False,
    ) -> Bucket:
        name = given.get("name")
        if not isinstance(name, str) or not name:
            raise ApiError(400, "Required parameter: name", "required")
        check_bucket_name(name)
        if self._store.bucket(name) is not None:
            raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
        now = self._catalog.now()
        state = new_config(given, now, self._lock_time()) | {"timeCreated": now, "updated": now}
        if object_retention:
            state["objectRetention"] = {"mode": "Enabled"}
        generation = self._store.rising("generation", int(self._catalog.clock.time() * 1e6))
        bucket = Bucket(name, generation, 1, state | {"owner": {"entity": OWNER}})
        acls = {
            "acl": predefined_bucket_acl("projectPrivate"),
            "defaultObjectAcl": predefined_default_acl("projectPrivate"),
        }
        asked = _acls_asked(bucket, given, predefined, predefined_default)
        bucket = replace(bucket, state=bucket.state | acls | asked)
        with self._store.transaction():
            self._store.put_bucket(bucket)
        return bucket

    async def get(self, ask: Ask) -> Response:
        if ask.flag("softDeleted"):
            raise not_offered("Soft deletion")
        bucket = self._catalog.bucket(ask.parts["bucket"])
        ask.preconditions.check_read(bucket)
        return ask.answer(bucket.resource(ask.base, ask.full))

    async def list(self, ask: Ask) -> Response:
        if "project" not in ask.query:
            raise ApiError(400, "Required parameter: project", "required")
        size = ask.page_size()
        after = _name_of(ask.query.get("pageToken", ""))
        found = self._store.buckets(ask.query.get("prefix", ""), after, size + 1)
        shown: Json = {"kind": "storage#buckets"}
        if len(found) > size:
            shown["nextPageToken"] = base64.urlsafe_b64encode(found[size - 1].name.encode()).decode()
        full = ask.full
        if found:
            shown["items"] = [bucket.resource(ask.base, full) for bucket in found[:size]]
        return ask.answer(shown)

    async def patch(self, ask: Ask) -> Response:
        return await self._amend(ask, patched_config)

    async def update(self, ask: Ask) -> Response:
        return await self._amend(ask, replaced_config)

    async def delete(self, ask: Ask) -> Response:
        with self._store.transaction():
            bucket = self._catalog.bucket(ask.parts["bucket"])
            ask.preconditions.check_write(bucket)
            if self._store.has_objects(bucket.name):
                raise ApiError(409, "The bucket you tried to delete is not empty.")
            self._store.drop_bucket(bucket.name)
        return Response(None, 204)

    async def restore(self, ask: Ask) -> Response:
        raise not_offered("Soft deletion")

    async def lock_retention(self, ask: Ask) -> Response:
        if ask.preconditions.metageneration is None:
            raise ApiError(400, "Required parameter: ifMetagenerationMatch", "required")
        bucket = self._catalog.bucket(ask.parts["bucket"])
        ask.preconditions.check_write(bucket)
        policy = bucket.state.get("retentionPolicy")
        if not policy:
            raise invalid("The bucket has no retention policy to lock.")
        state = bucket.state | {"retentionPolicy": {**policy, "isLocked": True}}
        return ask.answer(self.put(bucket, state).resource(ask.base, ask.full))

    async def get_iam(self, ask: Ask) -> Response:
        bucket = self._catalog.bucket(ask.parts["bucket"])
        return ask.answer(_policy(bucket, bucket.iam or _FIRST_POLICY))

    async def set_iam(self, ask: Ask) -> Response:
        policy = await ask.json()
        with self._store.transaction():
            bucket = self._catalog.bucket(ask.parts["bucket"])
            if policy.get("etag") and policy["etag"] != _policy_tag(bucket):
                raise condition_not_met()
            kept = _checked_policy(bucket, policy)
            bucket = replace(bucket, iam=kept, metageneration=bucket.metageneration + 1)
            self._store.put_bucket(bucket)
        return ask.answer(_policy(bucket, kept))

    async def test_iam(self, ask: Ask) -> Response:
        """Everything that is a permission of Cloud Storage is granted."""
        self._catalog.bucket(ask.parts["bucket"])
        asked = ask.request.query_params.getlist("permissions")
        if not asked:
            raise ApiError(400, "Required parameter: permissions", "required")
        granted = [permission for permission in asked if permission.startswith(_PERMISSIONS_OF)]
        return ask.answer({"kind": "storage#testIamPermissionsResponse", "permissions": granted})

    async def insert_notification(self, ask: Ask) -> Response:
        given = await ask.json()
        if not given.get("topic") or not given.get("payload_format"):
            raise ApiError(400, "Required parameters: topic, payload_format", "required")
        if any(kind not in _EVENT_TYPES for kind in given.get("event_types", [])):
            raise invalid(f"Invalid event types: {given['event_types']}")
        with self._store.transaction():
            bucket = self._catalog.bucket(ask.parts["bucket"])
            key = str(self._store.rising("notification", 1))
            shown = {name: value for name, value in given.items() if value is not None} | {
                "kind": "storage#notification",
                "id": key,
                "selfLink": f"{ask.base}/storage/v1/b/{bucket.name}/notificationConfigs/{key}",
                "etag": key,
            }
            self._store.put_bucket(replace(bucket, notifications=bucket.notifications | {key: shown}))
        return ask.answer(shown)

    async def list_notifications(self, ask: Ask) -> Response:
        found = self._catalog.bucket(ask.parts["bucket"]).notifications
        return ask.answer({"kind": "storage#notifications"} | ({"items": list(found.values())} if found else {}))

    async def get_notification(self, ask: Ask) -> Response:
        return ask.answer(self._notification(ask)[1])

    async def delete_notification(self, ask: Ask) -> Response:
        with self._store.transaction():
            bucket, shown = self._notification(ask)
            left = {key: value for key, value in bucket.notifications.items() if key != shown["id"]}
            self._store.put_bucket(replace(bucket, notifications=left))
        return Response(None, 204)

    def put(self, bucket: Bucket, state: Json) -> Bucket:
        """Keep a changed state: a new metageneration."""
        state = {**state, "updated": self._catalog.now()}
        changed = replace(bucket, state=state, metageneration=bucket.metageneration + 1)
        self._store.put_bucket(changed)
        return changed

    async def _amend(self, ask: Ask, merge: Merge) -> Response:
        given = await ask.json()
        with self._store.transaction():
            bucket = self._catalog.bucket(ask.parts["bucket"])
            ask.preconditions.check_write(bucket)
            state = merge(bucket.state, given, self._catalog.now(), self._lock_time())
            asked = _acls_asked(
                bucket, given, ask.query.get("predefinedAcl"), ask.query.get("predefinedDefaultObjectAcl")
            )
            bucket = self.put(bucket, state | asked)
        return ask.answer(bucket.resource(ask.base, ask.full))

    def _notification(self, ask: Ask) -> tuple[Bucket, Json]:
        bucket, key = self._catalog.bucket(ask.parts["bucket"]), ask.parts["notification"]
        if key not in bucket.notifications:
            raise ApiError(404, f"No such notification configuration: {key}")
        return bucket, bucket.notifications[key]

    def _lock_time(self) -> str:
        return timestamp(self._catalog.clock.time() + _LOCK_AFTER)


def _acls_asked(bucket: Bucket, given: Json, predefined: str | None, predefined_default: str | None) -> Json:
    """The lists that a request names, by entries or by a predefined name."""
    asked: Json = {}
    kinds: list[tuple[str, str | None, Callable[[str], list[Json]], Literal["bucket", "object"]]] = [
        ("acl", predefined, predefined_bucket_acl, "bucket"),
        ("defaultObjectAcl", predefined_default, predefined_default_acl, "object"),
    ]
    for key, name, listed, of in kinds:
        if name is None and given.get(key) is None:
            continue
        refuse_under_uniform_access(bucket, "update access control for a bucket")
        asked[key] = listed(name) if name is not None else check_entries(given[key], of)
        refuse_public(bucket, asked[key])
    return asked


def _policy(bucket: Bucket, policy: Json) -> Json:
    named = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket.name}"}
    return {**named, **policy, "etag": _policy_tag(bucket)}


def _policy_tag(bucket: Bucket) -> str:
    digest = hashlib.sha256(json.dumps([bucket.iam, bucket.generation]).encode()).digest()
    return base64.b64encode(digest[:9]).decode()


def _checked_policy(bucket: Bucket, policy: Json) -> Json:
    bindings = policy.get("bindings", [])
    if not isinstance(bindings, list) or not all(
        isinstance(binding, dict) and "role" in binding for binding in bindings
    ):
        raise invalid("Invalid argument: bindings is a list of bindings with a role.")
    version = policy.get("version", 1)
    if any("condition" in binding for binding in bindings):
        if not bucket.uniform:
            raise ApiError(
                412,
                "Failed to set IAM policy: please enable uniform bucket-level access in order to use "
                "policies with conditions.",
            )
        if version < 3:
            raise invalid("Requested policy with conditions must have a version of at least 3.")
    public = [{"entity": member} for binding in bindings for member in binding.get("members", [])]
    refuse_public(bucket, public)
    return {"version": version, "bindings": bindings}


def _name_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("Invalid page token.") from None
