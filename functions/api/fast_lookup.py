"""Answer look-ups of a task before FastAPI takes the request up, which would take longer than the answer itself.

Clients that wait for a task ask again and again. If they know the task as it is, which a few fields of the document
tell, it is not decoded. Refusals and errors are left to the route, which goes on with the same document: one read.
"""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.types import Scope

from functions.api.auth import authenticate, limit_rate
from functions.api.request_state import request_state
from functions.api.task_body import PRIVATE, entity_tag, is_named, load_rendered, remembered, task_response
from shared import wiring
from shared.domain.errors import DropsightError
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import is_task_id

_PATH = "/v1/tasks/"
_BEARER = re.compile(rb"Bearer +(\S+) *", re.IGNORECASE)


async def answer_look_up(scope: Scope) -> Response | None:
    """Return a 200 or 304, or None for the route to answer. What was found out is in the state of the request."""
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
        # The route meets it again, and errors are answered there.
        return None
    state.key = key
    if "read" not in key.scopes:
        return None
    return await _answer(key, task_id, headers.get(b"if-none-match", b"").decode("latin-1"))


async def _answer(key: Key, task_id: str, if_none_match: str) -> Response | None:
    """Return the answer; None if the key may not see the task, or it cannot be read or rendered."""
    deps = wiring.api()
    if (rendered := remembered(task_id)) is not None:
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
        # The route meets it again, and errors are answered there.
        return None
