"""List the tasks that a key may see, newest first, page by page.

A page usually takes one query, for whole folders. If the prefix ends within a name, or lies in one source that does,
the query has a range of names. If several sources end within names, queries return too many tasks. The tasks that the
key may not see are left out here, so such a page can take several queries.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.cloud.firestore import Tasks
from shared.domain.errors import FieldRefused
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Status, Task, is_task_id, place_of

_MAX_QUERIES = 10
"""The most queries for a page. A page may thus be short, even empty, and still have a next page."""


@dataclass(frozen=True)
class TaskFilter:
    status: Status | None = None
    uri: str | None = None
    prefix: str | None = None

    def matches(self, task: Task) -> bool:
        return self.prefix is None or (task.source.kind == "object" and task.source.uri.startswith(self.prefix))


@dataclass(frozen=True)
class Page:
    tasks: list[Task]
    next: str | None
    """The id of the last task read, if there may be more after it."""


async def list_page(tasks: Tasks, key: Key, task_filter: TaskFilter, *, limit: int, after: str | None) -> Page:
    """Return a page. Raises `FieldRefused` for an `after` that no page can have ended with."""
    if after is not None and not is_task_id(after):
        raise FieldRefused("after", f"{after[:100]!r} is not the id that a page ended with: give that, or nothing.")
    visible_prefixes = key.visible_prefixes(task_filter.prefix)
    exact = key.exact_prefix(task_filter.prefix) if task_filter.uri is None else None
    matching: list[Task] = []
    if not visible_prefixes:
        return Page(matching, None)
    for _ in range(_MAX_QUERIES):
        position = place_of(after) if after is not None else None
        batch = await tasks.page(
            visible_prefixes,
            limit=limit + 1,
            after=position,
            status=task_filter.status,
            uri=task_filter.uri,
            prefix=exact,
        )
        for task in batch:
            if len(matching) == limit:
                return Page(matching, after)
            after = task.id
            if key.sees(task) and task_filter.matches(task):
                matching.append(task)
        if len(batch) <= limit:
            return Page(matching, None)
    return Page(matching, after)
