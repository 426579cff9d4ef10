"""Look up the files that a request names by an id: uploaded ones, and the source of a task."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from functions.api.task_body import find_task
from shared.dependencies import ApiDeps
from shared.domain.errors import FieldRefused, RequestRefused
from shared.domain.openai.chat import Located
from shared.domain.request.uploads import uploads_folder
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import is_task_id

_MOST = 100


async def locate_files(deps: ApiDeps, key: Key, names: Sequence[str]) -> dict[str, Located]:
    """Return where the named files lie. Raises 404 for a file or a task that the key does not have."""
    if len(names) > _MOST:
        raise FieldRefused("messages", f"messages: at most {_MOST} files may be named by their ids.")
    located = await asyncio.gather(*(_locate(deps, key, name) for name in names))
    return dict(zip(names, located, strict=True))


async def _locate(deps: ApiDeps, key: Key, name: str) -> Located:
    if not is_task_id(name):
        stored = await deps.storage.stat(deps.settings.requests_bucket, f"{uploads_folder(key.id)}{name}")
        if stored is None:
            raise file_not_found(name)
        return Located(f"gs://{stored.bucket}/{stored.name}", stored.generation)
    source = (await find_task(deps, key, name)).task.source
    if source.kind != "object":
        raise FieldRefused("messages", f"messages: {name} is a request, which has no file of its own to name.")
    return Located(source.uri, source.generation)


def file_not_found(name: str) -> RequestRefused:
    return RequestRefused(404, "file_not_found", f"There is no file {name[:64]!r} for this key.")
