"""Answer `GET /v1/tasks/{id}` without FastAPI, whose overhead exceeds the cost of the answer itself.

Waiting clients poll tasks. If the ETag still matches, which a few fields of the document show, the document is not
decoded. Refusals and errors are left to the route, which reuses the document that was read here.
"""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import Scope

from functions.api.auth import authenticate, limit_rate
from functions.api.request_state import request_state
from functions.api.task_body import PRIVATE, entity_tag, is_named, load_rendered, rendered_lately, task_response
from shared import wiring
from shared.domain.errors import DropsightError
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import is_task_id

_PATH = "/v1/tasks/"
_BEARER = re.compile(rb"Bearer +(\S+) *", re.IGNORECASE)


async def answer_lookup(scope: Scope) -> Response | None:
    """Return a 200 or 304, or None if the route must answer. Keeps the key and the document in the request's state."""
    path: str = scope["path"]
    if not path.startswith(_PATH) or scope["query_string"] or scope["method"] not in ("GET", "HEAD"):
        return None
    headers = dict(scope["headers"])
    bearer = _BEARER.fullmatch(headers.get(b"authorization", b""))
    task_id = path.removeprefix(_PATH)
    if bearer is None or not is_task_id(task_id):
        return None
    state = request_state()
    try:
        key = await authenticate(bearer[1].decode("latin-1"))
        limit_rate(key)
    except DropsightError:
        # The route raises it again and renders it.
        return None
    state.key = key
    if "read" not in key.scopes:
        return None
    return await _answer(key, task_id, headers.get(b"if-none-match", b"").decode("latin-1"))


async def _answer(key: Key, task_id: str, if_none_match: str) -> Response | None:
    """Return the response; None if the key may not see the task, or the task cannot be read or rendered."""
    deps = wiring.api()
    if (rendered := rendered_lately(task_id)) is not None:
        if not key.sees(rendered.task):
            return None
    else:
        request_state().document = document = await deps.tasks.get_undecoded(task_id)
        if document is None or not key.sees_source(document.owner, document.kind, document.uri):
            return None
        etag = entity_tag(document.change)
        if etag is not None and is_named(if_none_match, etag):
            return Response(status_code=304, headers={**PRIVATE, "ETag": etag})
    try:
        return task_response(await load_rendered(deps, key, task_id), if_none_match)
    except DropsightError:
        # The route raises it again and renders it.
        return None
