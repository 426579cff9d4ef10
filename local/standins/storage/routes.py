"""The JSON API's methods: path, handler, and how a call is billed."""

from __future__ import annotations

from starlette.responses import Response

from local.standins.storage.access import Lists
from local.standins.storage.batch import Batches
from local.standins.storage.buckets import Buckets
from local.standins.storage.catalog import Catalog
from local.standins.storage.errors import not_offered
from local.standins.storage.hmac_keys import HmacKeys
from local.standins.storage.objects import Objects
from local.standins.storage.records import PROJECT_NUMBER
from local.standins.storage.request import ApiRequest
from local.standins.storage.resumable import Resumables
from local.standins.storage.router import Handler, Router
from local.standins.storage.uploads import Uploads
from local.standins.storage.xml_api import XmlApi

_BUCKET = "/storage/v1/b/{bucket}"
_OBJECT = "/storage/v1/b/{bucket}/o/{object}"
_PROJECT = "/storage/v1/projects/{project}"
_UPLOAD = "/upload/storage/v1/b/{bucket}/o"


def add_routes(
    router: Router,
    catalog: Catalog,
    buckets: Buckets,
    objects: Objects,
    uploads: Uploads,
    resumables: Resumables,
    xml: XmlApi,
) -> None:
    _add_bucket_routes(router, buckets)
    _add_object_routes(router, objects)
    router.otherwise = xml.call
    router.add("POST", _UPLOAD, uploads.insert, "class_a")
    router.add("PUT", _UPLOAD, resumables.put)
    router.add("OPTIONS", _UPLOAD, resumables.preflight)
    router.add("DELETE", _UPLOAD, resumables.cancel)
    _add_lists(router, f"{_BUCKET}/acl", Lists(catalog, buckets, "acl", "bucket", "bucketAccessControls"))
    defaults = Lists(catalog, buckets, "defaultObjectAcl", "object", "objectAccessControls")
    _add_lists(router, f"{_BUCKET}/defaultObjectAcl", defaults)
    _add_lists(router, f"{_OBJECT}/acl", Lists(catalog, buckets, "acl", "object", "objectAccessControls"))
    router.add("POST", "/batch/storage/v1", Batches(router.answer).run)
    router.add("GET", f"{_PROJECT}/serviceAccount", _service_account, "class_b")
    _add_hmac_routes(router, HmacKeys(catalog))
    _refuse(router)


def _add_bucket_routes(router: Router, buckets: Buckets) -> None:
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


def _add_object_routes(router: Router, objects: Objects) -> None:
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


def _add_lists(router: Router, path: str, lists: Lists) -> None:
    router.add("GET", path, lists.listing, "class_a")
    router.add("POST", path, lists.insert, "class_a")
    router.add("GET", path + "/{entity}", lists.get, "class_b")
    router.add("PUT", path + "/{entity}", lists.update, "class_a")
    router.add("PATCH", path + "/{entity}", lists.patch, "class_a")
    router.add("DELETE", path + "/{entity}", lists.delete)


def _add_hmac_routes(router: Router, keys: HmacKeys) -> None:
    router.add("GET", f"{_PROJECT}/hmacKeys", keys.list, "class_a")
    router.add("POST", f"{_PROJECT}/hmacKeys", keys.insert, "class_a")
    router.add("GET", f"{_PROJECT}/hmacKeys/{{key}}", keys.get, "class_b")
    router.add("PUT", f"{_PROJECT}/hmacKeys/{{key}}", keys.update, "class_a")
    router.add("DELETE", f"{_PROJECT}/hmacKeys/{{key}}", keys.delete)


async def _service_account(request: ApiRequest) -> Response:
    email = f"service-{PROJECT_NUMBER}@gs-project-accounts.iam.gserviceaccount.com"
    return request.json_response({"kind": "storage#serviceAccount", "email_address": email})


def _refuse(router: Router) -> None:
    """Answer unsupported methods with an error rather than an empty answer."""
    folders = ("folders", "managedFolders", "anywhereCaches")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        for depth in ("", "/{id}"):
            for kind in folders:
                router.add(method, f"{_BUCKET}/{kind}{depth}", _refusal(kind))
        router.add(method, f"{_OBJECT}/iam", _refusal("IAM policies of objects"))
    router.add("POST", f"{_BUCKET}/o/watch", _refusal("Watching by channels"))
    router.add("POST", f"{_BUCKET}/o/bulkRestore", _refusal("Soft deletion"))


def _refusal(what: str) -> Handler:
    async def refuse(request: ApiRequest) -> Response:
        raise not_offered(what)

    return refuse
