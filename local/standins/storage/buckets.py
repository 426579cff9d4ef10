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
from local.standins.storage.body_shapes import BUCKET, NOTIFICATION, POLICY
from local.standins.storage.bucket_config import new_config, patched_config, replaced_config
from local.standins.storage.catalog import Catalog
from local.standins.storage.errors import ApiError, condition_not_met, invalid, not_offered
from local.standins.storage.names import check_bucket_name
from local.standins.storage.notifications import MOST, check_notification
from local.standins.storage.records import OWNER, PROJECT_NUMBER, Bucket, Json, timestamp
from local.standins.storage.request import ApiRequest
from local.standins.storage.store import Store

_LOCK_AFTER = 90 * 86400
_PERMISSIONS_OF = "storage."
Merge = Callable[[Json, Json, str, str], Json]


class Buckets:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @property
    def _store(self) -> Store:
        return self._catalog.store

    async def insert(self, request: ApiRequest) -> Response:
        config = await request.json(BUCKET)
        bucket = self.create(
            config,
            request.query.get("predefinedAcl"),
            request.query.get("predefinedDefaultObjectAcl"),
            request.flag("enableObjectRetention"),
            request.query.get("project"),
        )
        return request.json_response(bucket.resource(request.base, request.full))

    def create(
        self,
        config: Json,
        predefined: str | None = None,
        predefined_default: str | None = None,
        object_retention: bool = False,
        project: str | None = None,
    ) -> Bucket:
        name = config.get("name")
        if not isinstance(name, str) or not name:
            raise ApiError(400, "Required parameter: name", "required")
        check_bucket_name(name)
        if self._store.bucket(name) is not None:
            raise ApiError(409, "Your previous request to create the named bucket succeeded and you already own it.")
        now = self._catalog.now()
        state = new_config(config, now, self._lock_time()) | {"timeCreated": now, "updated": now}
        if object_retention:
            state["objectRetention"] = {"mode": "Enabled"}
        generation = self._store.rising("generation", int(self._catalog.clock.time() * 1e6))
        bucket = Bucket(name, generation, 1, state | {"owner": {"entity": OWNER}})
        acls = {
            "acl": predefined_bucket_acl("projectPrivate"),
            "defaultObjectAcl": predefined_default_acl("projectPrivate"),
        }
        requested_acls = _requested_acls(bucket, config, predefined, predefined_default)
        bucket = replace(
            bucket, state=bucket.state | acls | requested_acls, iam=_first_policy(project) if project else None
        )
        with self._store.transaction():
            self._store.put_bucket(bucket)
        return bucket

    async def get(self, request: ApiRequest) -> Response:
        if request.flag("softDeleted"):
            raise not_offered("Soft deletion")
        bucket = self._catalog.bucket(request.parts["bucket"])
        request.preconditions.check_read(bucket)
        return request.json_response(bucket.resource(request.base, request.full))

    async def list(self, request: ApiRequest) -> Response:
        if "project" not in request.query:
            raise ApiError(400, "Required parameter: project", "required")
        if request.flag("softDeleted"):
            raise not_offered("Soft deletion")
        size = request.page_size()
        after = _name_of(request.query.get("pageToken", ""))
        buckets = self._store.buckets(request.query.get("prefix", ""), after, size + 1)
        answer: Json = {"kind": "storage#buckets"}
        if len(buckets) > size:
            answer["nextPageToken"] = base64.urlsafe_b64encode(buckets[size - 1].name.encode()).decode()
        full = request.full
        if buckets:
            answer["items"] = [bucket.resource(request.base, full) for bucket in buckets[:size]]
        return request.json_response(answer)

    async def patch(self, request: ApiRequest) -> Response:
        return await self._amend(request, patched_config)

    async def update(self, request: ApiRequest) -> Response:
        return await self._amend(request, replaced_config)

    async def delete(self, request: ApiRequest) -> Response:
        with self._store.transaction():
            bucket = self._catalog.bucket(request.parts["bucket"])
            request.preconditions.check_write(bucket)
            if self._store.has_objects(bucket.name):
                raise ApiError(409, "The bucket you tried to delete is not empty.")
            self._store.drop_bucket(bucket.name)
        return Response(None, 204)

    async def restore(self, request: ApiRequest) -> Response:
        raise not_offered("Soft deletion")

    async def lock_retention(self, request: ApiRequest) -> Response:
        if request.preconditions.metageneration is None:
            raise ApiError(400, "Required parameter: ifMetagenerationMatch", "required")
        bucket = self._catalog.bucket(request.parts["bucket"])
        request.preconditions.check_write(bucket)
        policy = bucket.state.get("retentionPolicy")
        if not policy:
            raise invalid("The bucket has no retention policy to lock.")
        state = bucket.state | {"retentionPolicy": {**policy, "isLocked": True}}
        return request.json_response(self.put(bucket, state).resource(request.base, request.full))

    async def get_iam(self, request: ApiRequest) -> Response:
        bucket = self._catalog.bucket(request.parts["bucket"])
        return request.json_response(_policy(bucket, bucket.iam or _first_policy(PROJECT_NUMBER)))

    async def set_iam(self, request: ApiRequest) -> Response:
        policy = await request.json(POLICY)
        with self._store.transaction():
            bucket = self._catalog.bucket(request.parts["bucket"])
            if policy.get("etag") and policy["etag"] != _policy_tag(bucket):
                raise condition_not_met()
            checked = _checked_policy(bucket, policy)
            bucket = replace(bucket, iam=checked, metageneration=bucket.metageneration + 1)
            self._store.put_bucket(bucket)
        return request.json_response(_policy(bucket, checked))

    async def test_iam(self, request: ApiRequest) -> Response:
        """Grant every permission of Cloud Storage."""
        self._catalog.bucket(request.parts["bucket"])
        permissions = request.http.query_params.getlist("permissions")
        if not permissions:
            raise ApiError(400, "Required parameter: permissions", "required")
        granted = [permission for permission in permissions if permission.startswith(_PERMISSIONS_OF)]
        return request.json_response({"kind": "storage#testIamPermissionsResponse", "permissions": granted})

    async def insert_notification(self, request: ApiRequest) -> Response:
        config = await request.json(NOTIFICATION)
        check_notification(config)
        with self._store.transaction():
            bucket = self._catalog.bucket(request.parts["bucket"])
            if len(bucket.notifications) >= MOST:
                raise invalid(f"A bucket can have at most {MOST} notification configurations.")
            key = str(self._store.rising("notification", 1))
            resource = {name: value for name, value in config.items() if value is not None} | {
                "kind": "storage#notification",
                "id": key,
                "selfLink": f"{request.base}/storage/v1/b/{bucket.name}/notificationConfigs/{key}",
                "etag": key,
            }
            self._store.put_bucket(replace(bucket, notifications=bucket.notifications | {key: resource}))
        return request.json_response(resource)

    async def list_notifications(self, request: ApiRequest) -> Response:
        notifications = self._catalog.bucket(request.parts["bucket"]).notifications
        return request.json_response(
            {"kind": "storage#notifications"} | ({"items": list(notifications.values())} if notifications else {})
        )

    async def get_notification(self, request: ApiRequest) -> Response:
        return request.json_response(self._notification(request)[1])

    async def delete_notification(self, request: ApiRequest) -> Response:
        with self._store.transaction():
            bucket, resource = self._notification(request)
            remaining = {key: value for key, value in bucket.notifications.items() if key != resource["id"]}
            self._store.put_bucket(replace(bucket, notifications=remaining))
        return Response(None, 204)

    def put(self, bucket: Bucket, state: Json) -> Bucket:
        """Store a changed state under a new metageneration."""
        state = {**state, "updated": self._catalog.now()}
        changed = replace(bucket, state=state, metageneration=bucket.metageneration + 1)
        self._store.put_bucket(changed)
        return changed

    async def _amend(self, request: ApiRequest, merge: Merge) -> Response:
        config = await request.json(BUCKET)
        with self._store.transaction():
            bucket = self._catalog.bucket(request.parts["bucket"])
            request.preconditions.check_write(bucket)
            state = merge(bucket.state, config, self._catalog.now(), self._lock_time())
            requested_acls = _requested_acls(
                bucket, config, request.query.get("predefinedAcl"), request.query.get("predefinedDefaultObjectAcl")
            )
            bucket = self.put(bucket, state | requested_acls)
        return request.json_response(bucket.resource(request.base, request.full))

    def _notification(self, request: ApiRequest) -> tuple[Bucket, Json]:
        bucket, key = self._catalog.bucket(request.parts["bucket"]), request.parts["notification"]
        if key not in bucket.notifications:
            raise ApiError(404, f"No such notification configuration: {key}")
        return bucket, bucket.notifications[key]

    def _lock_time(self) -> str:
        return timestamp(self._catalog.clock.time() + _LOCK_AFTER)


def _requested_acls(bucket: Bucket, config: Json, predefined: str | None, predefined_default: str | None) -> Json:
    """Return the access control lists in a request, given as entries or by a predefined name."""
    acls: Json = {}
    kinds: list[tuple[str, str | None, Callable[[str], list[Json]], Literal["bucket", "object"]]] = [
        ("acl", predefined, predefined_bucket_acl, "bucket"),
        ("defaultObjectAcl", predefined_default, predefined_default_acl, "object"),
    ]
    for key, name, listed, of in kinds:
        if name is None and config.get(key) is None:
            continue
        refuse_under_uniform_access(bucket, "update access control for a bucket")
        acls[key] = listed(name) if name is not None else check_entries(config[key], of)
        refuse_public(bucket, acls[key])
    return acls


def _first_policy(project: str) -> Json:
    """Return the policy of a new bucket: its members are named by the project's id, unlike those of access lists."""
    owners, readers = [f"projectEditor:{project}", f"projectOwner:{project}"], [f"projectViewer:{project}"]
    return {
        "version": 1,
        "bindings": [
            {"role": "roles/storage.legacyBucketOwner", "members": owners},
            {"role": "roles/storage.legacyBucketReader", "members": readers},
        ],
    }


def _policy(bucket: Bucket, policy: Json) -> Json:
    named = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket.name}"}
    return {**named, **policy, "etag": _policy_tag(bucket)}


def _policy_tag(bucket: Bucket) -> str:
    digest = hashlib.sha256(json.dumps([bucket.iam, bucket.generation]).encode()).digest()
    return base64.b64encode(digest[:9]).decode()


def _checked_policy(bucket: Bucket, policy: Json) -> Json:
    bindings = policy.get("bindings") or []
    if not all("role" in binding for binding in bindings):
        raise invalid("Invalid argument: bindings is a list of bindings with a role.")
    version = int(policy.get("version") or 1)
    if any("condition" in binding for binding in bindings):
        if not bucket.uniform:
            raise ApiError(
                412,
                "Failed to set IAM policy: please enable uniform bucket-level access in order to use "
                "policies with conditions.",
            )
        if version < 3:
            raise invalid("Requested policy with conditions must have a version of at least 3.")
    public = [{"entity": member} for binding in bindings for member in binding.get("members") or ()]
    refuse_public(bucket, public)
    return {"version": version, "bindings": bindings}


def _name_of(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise invalid("Invalid page token.") from None
