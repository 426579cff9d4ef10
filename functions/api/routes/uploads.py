"""POST /v1/uploads: open a session through which a browser sends one file straight into an inbox.

The session's URL needs no other credentials. It accepts one object of this name, type and size, for a week, from pages
of the requesting origin. The bytes never pass through this function.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from functions.api.auth import Submitter
from functions.api.json_body import read_json_body, render_json
from functions.api.openapi_shapes import errors, json_request_body, json_response
from functions.api.request_bodies import bodies
from shared import wiring
from shared.dependencies import ApiDeps
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.media.limits import GEMINI
from shared.domain.request.messages import StrictModel
from shared.domain.tasks.access import Key

router = APIRouter()

_KEPT = timedelta(days=7)
"""How long Cloud Storage keeps a session (https://cloud.google.com/storage/docs/resumable-uploads)."""
_LONGEST_NAME = 1024
_METADATA_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class Upload(StrictModel):
    """A file to upload into an inbox."""

    inbox: str | None = Field(default=None, min_length=3, max_length=222)
    """The bucket; left out: the first inbox that the key's sources name."""
    name: str = Field(min_length=1, max_length=_LONGEST_NAME)
    size: int = Field(ge=1, le=GEMINI.file_bytes)
    """Bytes; no other number is taken."""
    content_type: str = Field(
        default="application/octet-stream", pattern=r"^[\w!#$&^.+-]+/[\w!#$&^.+-]+$", max_length=255
    )
    metadata: dict[
        Annotated[str, StringConstraints(pattern=_METADATA_NAME)],
        Annotated[str, StringConstraints(max_length=4_000)],
    ] = Field(default_factory=dict, max_length=16)
    """The object's custom metadata, such as `dropsight-recipe`."""


@router.post(
    "/v1/uploads",
    operation_id="open_upload",
    responses={200: json_response("UploadOpened"), **errors(400, 401, 403, 408, 415, 422, 429)},
    openapi_extra=json_request_body(
        "Upload", {"name": "talks/monday.mp4", "size": 734003200, "content_type": "video/mp4"}
    ),
)
async def open_upload(request: Request, key: Submitter) -> Response:
    """Open a resumable upload of one object of an inbox: `PUT` the bytes to `url`, as Cloud Storage documents it."""
    deps = wiring.api()
    async with bodies().body_of(request, key) as body:
        upload = read_json_body(Upload, body)
    inbox = _choose_inbox(deps, key, upload)
    uri = f"gs://{inbox}/{upload.name}"
    url = await deps.storage.open_upload_session(
        inbox,
        upload.name,
        upload.size,
        upload.content_type,
        metadata=upload.metadata,
        origin=request.headers.get("origin"),
    )
    if url is None:
        raise FieldRefused("name", f"name: {uri} exists already. Choose another name.")
    expires_at = int((deps.clock.now() + _KEPT).timestamp())
    opened = {"object": "upload", "url": url, "uri": uri, "size": upload.size, "expires_at": expires_at}
    return render_json(opened, "no-store")


def _choose_inbox(deps: ApiDeps, key: Key, upload: Upload) -> str:
    """Return the inbox to upload to. Raises if it is not an inbox, or its sources do not cover the object."""
    inboxes = deps.settings.inboxes
    covered = [bucket for bucket in inboxes if key.covers(f"gs://{bucket}/{upload.name}")]
    if upload.inbox is None and covered:
        bucket = covered[0]
    elif upload.inbox in covered:
        bucket = upload.inbox
    else:
        sources = ", ".join(key.sources) or "none"
        place = f"gs://{upload.inbox or '…'}/{upload.name}"
        message = f"This key may not upload {place}: it is under none of its sources that are inboxes ({sources})."
        raise RequestRefused(403, "source_not_allowed", message, param="name")
    if not _is_possible(upload.name):
        raise FieldRefused("name", "name: Cloud Storage has no object of such a name.")
    if not any(upload.name.startswith(prefix) for prefix in inboxes[bucket].prefixes):
        prefixes = ", ".join(json.dumps(prefix) for prefix in inboxes[bucket].prefixes)
        raise FieldRefused("name", f"name: tasks are made only of objects whose names begin with {prefixes}.")
    return bucket


def _is_possible(name: str) -> bool:
    has_controls = any(unicodedata.category(character) in ("Cc", "Cs") for character in name)
    return not has_controls and len(name.encode()) <= _LONGEST_NAME and name not in (".", "..")
