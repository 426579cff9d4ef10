"""Answer 304 to look-ups of a task that is as the caller knows it, before FastAPI takes the request up.

Clients that wait for a task ask again and again. Of the document that is read for them, only what tells its version and
who may see it is decoded. If the task has changed, the route goes on with the same document: one read, in any case.
"""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import Scope

from functions.api.auth import authenticate, limit_rate
from functions.api.request_state import request_state
from functions.api.task_body import PRIVATE, entity_tag, remembered
from shared import wiring
from shared.domain.errors import RequestRefused
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import is_task_id

_PATH = "/v1/tasks/"
_BEARER = re.compile(rb"Bearer +(\S+) *", re.IGNORECASE)
_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')


async def answer_if_unchanged(scope: Scope) -> Response | None:
    """Return a 304, or None for the route to answer. What was found out is in the state of the request."""
    path: str = scope["path"]
    if not path.startswith(_PATH) or scope["query_string"] or scope["method"] not in ("GET", "HEAD"):
        return None
    headers = dict(scope["headers"])
    tags, bearer = headers.get(b"if-none-match"), _BEARER.fullmatch(headers.get(b"authorization", b""))
    task_id = path.removeprefix(_PATH)
    if not tags or bearer is None or not is_task_id(task_id):
        return None
    state = request_state()
    try:
        key = await authenticate(bearer[1].decode("latin-1"))
        limit_rate(key)
    except RequestRefused:
        # The route refuses it again, as errors are answered.
        return None
    state.key = key
    if "read" not in key.scopes:
        return None
    etag = await _current_tag(key, task_id)
    if etag is None or not is_named(tags.decode("latin-1"), etag):
        return None
    return Response(status_code=304, headers={**PRIVATE, "ETag": etag})


async def _current_tag(key: Key, task_id: str) -> str | None:
    """Return the task's entity tag; None if the key may not see it, or it is not known without rendering the task."""
    if (rendered := remembered(task_id)) is not None:
        return rendered.etag if key.sees(rendered.task) else None
    state = request_state()
    state.document = document = await wiring.api().tasks.get_undecoded(task_id)
    if document is None or not key.sees_source(document.owner, document.kind, document.uri):
        return None
    return entity_tag(document.change)


def is_named(if_none_match: str | None, etag: str) -> bool:
    """Return whether a list of entity tags, strong or weak, names this one (RFC 9110, section 13.1.2)."""
    header = (if_none_match or "").strip()
    return header == "*" or etag in _ENTITY_TAG.findall(header)
