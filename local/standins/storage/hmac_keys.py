"""Handlers of the HMAC keys' methods. Keys are stored and listed; no signature is ever checked."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable

from starlette.responses import Response

from local.standins.storage.catalog import Catalog
from local.standins.storage.errors import ApiError, condition_not_met, invalid
from local.standins.storage.records import Json
from local.standins.storage.request import ApiRequest

_SETTABLE_STATES = ("ACTIVE", "INACTIVE")


class HmacKeys:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog, self._store = catalog, catalog.store

    async def insert(self, request: ApiRequest) -> Response:
        email = request.query.get("serviceAccountEmail")
        if not email:
            raise ApiError(400, "Required parameter: serviceAccountEmail", "required")
        now, access_id = self._catalog.now(), "GOOG1E" + base64.b32encode(secrets.token_bytes(35)).decode()[:55]
        record: Json = {
            "accessId": access_id,
            "projectId": request.parts["project"],
            "serviceAccountEmail": email,
            "state": "ACTIVE",
            "timeCreated": now,
            "updated": now,
        }
        self._keep(record)
        secret = base64.b64encode(secrets.token_bytes(30)).decode()
        return request.json_response(
            {"kind": "storage#hmacKey", "metadata": _resource(record, request.base), "secret": secret}
        )

    async def get(self, request: ApiRequest) -> Response:
        return request.json_response(_resource(self._record(request), request.base))

    async def list(self, request: ApiRequest) -> Response:
        email, deleted = request.query.get("serviceAccountEmail"), request.flag("showDeletedKeys")
        rows = self._store.rows(
            "SELECT record FROM hmac_keys WHERE id > ? ORDER BY id", (request.query.get("pageToken", ""),)
        )
        records: list[Json] = [json.loads(row[0]) for row in rows]
        keys = [
            record
            for record in records
            if record["projectId"] == request.parts["project"]
            and email in (None, record["serviceAccountEmail"])
            and (deleted or record["state"] != "DELETED")
        ]
        size = request.page_size(250)
        answer: Json = {
            "kind": "storage#hmacKeysMetadata",
            "items": [_resource(key, request.base) for key in keys[:size]],
        }
        if len(keys) > size:
            answer["nextPageToken"] = keys[size - 1]["accessId"]
        return request.json_response(answer)

    async def update(self, request: ApiRequest) -> Response:
        body = await request.json()
        if body.get("state") not in _SETTABLE_STATES:
            raise invalid(f"Invalid state: {body.get('state')}")

        def change(record: Json) -> None:
            if body.get("etag") and body["etag"] != _etag(record):
                raise condition_not_met()
            record["state"] = body["state"]

        return request.json_response(_resource(self._change(request, change), request.base))

    async def delete(self, request: ApiRequest) -> Response:
        def change(record: Json) -> None:
            if record["state"] != "INACTIVE":
                raise invalid("Cannot delete a key that is not in state INACTIVE.")
            record["state"] = "DELETED"

        self._change(request, change)
        return Response(None, 204)

    def _change(self, request: ApiRequest, change: Callable[[Json], None]) -> Json:
        with self._store.transaction():
            record = self._record(request)
            change(record)
            record["updated"] = self._catalog.now()
            self._keep(record)
        return record

    def _record(self, request: ApiRequest) -> Json:
        rows = self._store.rows("SELECT record FROM hmac_keys WHERE id = ?", (request.parts["key"],))
        record: Json = json.loads(rows[0][0]) if rows else {}
        if record.get("projectId") != request.parts["project"] or record["state"] == "DELETED":
            raise ApiError(404, "Access ID not found in project.")
        return record

    def _keep(self, record: Json) -> None:
        self._store.change("INSERT OR REPLACE INTO hmac_keys VALUES (?, ?)", (record["accessId"], json.dumps(record)))


def _etag(record: Json) -> str:
    return base64.b64encode(hashlib.sha256(json.dumps(record).encode()).digest()[:6]).decode()


def _resource(record: Json, base: str) -> Json:
    path = f"projects/{record['projectId']}/hmacKeys/{record['accessId']}"
    return {
        "kind": "storage#hmacKeyMetadata",
        "id": f"{record['projectId']}/{record['accessId']}",
        "selfLink": f"{base}/storage/v1/{path}",
        "etag": _etag(record),
        **record,
    }
