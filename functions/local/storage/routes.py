"""The JSON API's methods: path, handler, and how a call is billed."""

from __future__ import annotations

from functions.local.storage.buckets import Buckets
from functions.local.storage.objects import Objects
from functions.local.storage.resumable import Resumables
from functions.local.storage.router import Router
from functions.local.storage.uploads import Uploads

_BUCKET = "/storage/v1/b/{bucket}"
_OBJECT = "/storage/v1/b/{bucket}/o/{object}"
_UPLOAD = "/upload/storage/v1/b/{bucket}/o"


def routes(router: Router, buckets: Buckets, objects: Objects, uploads: Uploads, resumables: Resumables) -> None:
    router.add("GET", "/storage/v1/b", buckets.list, "class_a")
    router.add("POST", "/storage/v1/b", buckets.insert, "class_a")
    router.add("GET", _BUCKET, buckets.get, "class_b")
    router.add("PATCH", _BUCKET, buckets.patch, "class_a")
    router.add("PUT", _BUCKET, buckets.update, "class_a")
    router.add("DELETE", _BUCKET, buckets.delete)
    router.add("POST", f"{_BUCKET}/restore", buckets.restore)
    router.add("POST", f"{_BUCKET}/lockRetentionPolicy", buckets.lock_retention, "class_a")
    router.add("GET", f"{_BUCKET}/iam", buckets.get_iam, "class_b")
    router.add("PUT", f"{_BUCKET}/iam", buckets.set_iam, "class_a")
    router.add("GET", f"{_BUCKET}/iam/testPermissions", buckets.test_iam, "class_b")
    router.add("GET", f"{_BUCKET}/notificationConfigs", buckets.list_notifications, "class_a")
    router.add("POST", f"{_BUCKET}/notificationConfigs", buckets.insert_notification, "class_a")
    router.add("GET", f"{_BUCKET}/notificationConfigs/{{notification}}", buckets.get_notification, "class_b")
    router.add("DELETE", f"{_BUCKET}/notificationConfigs/{{notification}}", buckets.delete_notification)

    router.add("GET", f"{_BUCKET}/o", objects.list, "class_a")
    router.add("GET", _OBJECT, objects.get, "class_b")
    router.add("GET", "/download" + _OBJECT, objects.download, "class_b")
    router.add("PATCH", _OBJECT, objects.patch, "class_a")
    router.add("PUT", _OBJECT, objects.update, "class_a")
    router.add("DELETE", _OBJECT, objects.delete)
    router.add("POST", f"{_OBJECT}/restore", objects.restore)
    router.add("POST", f"{_OBJECT}/compose", objects.compose, "class_a")
    router.add("POST", f"{_OBJECT}/moveTo/o/{{to}}", objects.move, "class_a")
    router.add("POST", f"{_OBJECT}/copyTo/b/{{to_bucket}}/o/{{to}}", objects.copy, "class_a")
    router.add("POST", f"{_OBJECT}/rewriteTo/b/{{to_bucket}}/o/{{to}}", objects.rewrite, "class_a")

    router.add("POST", _UPLOAD, uploads.insert, "class_a")
    router.add("PUT", _UPLOAD, resumables.put)
    router.add("DELETE", _UPLOAD, resumables.cancel)
