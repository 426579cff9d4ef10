"""Create the missing tasks of requests and manifests: the api died before it created them, or the event was lost.

The names of request objects contain their time, so only recent ones are listed.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial

from functions.sweep.bucket_scan import Place, is_task_of, scan_place, source_of
from shared.cloud.storage import StoredObject
from shared.dependencies import SweepDeps
from shared.domain.request.tasks import API_FOLDER, MANIFEST_FOLDER, id_of_object
from shared.domain.tasks.task import Source, derive_id

_LONGEST_WRITE = 60
"""The most seconds between the time in a request's name and the creation of its object."""


async def take_lost_requests(deps: SweepDeps, tally: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Create the missing tasks of recent requests and manifests. `stop_at` is in seconds of the clock."""
    place = Place(
        note="requests",
        bucket=deps.settings.requests_bucket,
        prefixes=(API_FOLDER, MANIFEST_FOLDER),
        find_lost=partial(_without_task, deps),
        take=deps.requests.take,
        first_name=_first_name,
    )
    await scan_place(deps, place, tally, stop_at=stop_at, scheduled=scheduled)


def _first_name(since: datetime) -> str:
    return f"{API_FOLDER}task-llm-{int(since.timestamp()) - _LONGEST_WRITE:010d}"


async def _without_task(deps: SweepDeps, objects: list[StoredObject]) -> list[Source]:
    ids = {_task_id(source): source for source in map(source_of, objects)}
    tasks = await deps.tasks.get_many(list(ids))
    return [source for task_id, source in ids.items() if not is_task_of(tasks.get(task_id), source)]


def _task_id(source: Source) -> str:
    named = id_of_object(source.name)
    return named or derive_id(source.bucket, source.name, source.generation, source.created_at)
