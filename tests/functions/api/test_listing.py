"""Pages of the tasks that a key may see, where Firestore finds more than it may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from functions.api.listing import Page, TaskFilter, list_page
from shared.cloud.firestore import Tasks
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import Source, Status, Task, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = Key(id="k", name="k", created_at=NOW, sources=("gs://inbox/",))


def a_task(number: int, name: str) -> Task:
    made = NOW + timedelta(seconds=number)
    source = Source(kind="object", bucket="inbox", name=name, generation=number + 1, size=1, created_at=made)
    return new_task(source, owner="inbox:inbox", model="m", now=made, keep=timedelta(days=1))


class Folder:
    """Returns all tasks, newest first, whatever prefix is asked for; counts the queries."""

    def __init__(self, tasks: list[Task]) -> None:
        self.tasks = sorted(tasks, key=lambda task: (task.created_at, task.key), reverse=True)
        self.queries = 0
        self.prefixes: list[str | None] = []

    async def page(
        self,
        visible_to: list[str],
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        status: Status | None = None,
        uri: str | None = None,
        prefix: str | None = None,
    ) -> list[Task]:
        self.queries += 1
        self.prefixes.append(prefix)
        rest = [task for task in self.tasks if after is None or (task.created_at, task.key) < after]
        return rest[:limit]


async def page_of(folder: Folder, *, limit: int, after: str | None = None, prefix: str | None = None) -> Page:
    return await list_page(cast(Tasks, folder), KEY, TaskFilter(prefix=prefix), limit=limit, after=after)


async def test_all_pages_together_hold_each_matching_task_once_newest_first() -> None:
    folder = Folder([a_task(number, f"{'kept' if number % 3 else 'other'}-{number}.txt") for number in range(20)])
    names: list[str] = []
    after: str | None = None
    while True:
        page = await page_of(folder, limit=4, after=after, prefix="gs://inbox/kept-")
        names += [task.source.name for task in page.tasks]
        after = page.next
        if after is None:
            break
    assert names == [f"kept-{number}.txt" for number in reversed(range(20)) if number % 3]


async def test_a_page_that_matches_little_ends_after_ten_queries_and_names_where_to_go_on() -> None:
    folder = Folder([a_task(number, f"other-{number}.txt") for number in range(100)])
    page = await page_of(folder, limit=2, prefix="gs://inbox/kept-")
    assert page.tasks == []
    assert page.next is not None
    assert folder.queries == 10


async def test_a_last_page_that_is_just_full_has_no_next_one() -> None:
    folder = Folder([a_task(number, f"{number}.txt") for number in range(3)])
    page = await page_of(folder, limit=3)
    assert (len(page.tasks), page.next, folder.queries) == (3, None, 1)


async def test_a_prefix_that_the_key_may_not_see_costs_no_query() -> None:
    folder = Folder([a_task(0, "a.txt")])
    assert await page_of(folder, limit=3, prefix="gs://elsewhere/") == Page([], None)
    assert folder.queries == 0


async def test_a_prefix_that_ends_within_a_name_is_asked_for_as_a_range_of_names() -> None:
    folder = Folder([])
    for prefix in ("gs://inbox/kept-", "gs://inbox/kept/", "gs://inbox/kept/a"):
        await page_of(folder, limit=3, prefix=prefix)
    assert folder.prefixes == ["gs://inbox/kept-", None, "gs://inbox/kept/a"]


async def test_of_a_source_within_a_prefix_the_longer_one_is_asked_for() -> None:
    key = KEY.model_copy(update={"sources": ("gs://inbox/talks/mon", "gs://other/")})
    assert [key.exact_prefix(prefix) for prefix in ("gs://inbox/", "gs://inbox/talks/monday", "gs://other/", None)] == [
        "gs://inbox/talks/mon", "gs://inbox/talks/monday", None, None,
    ]  # fmt: skip
    two = KEY.model_copy(update={"sources": ("gs://inbox/a", "gs://inbox/b")})
    assert two.exact_prefix("gs://inbox/") is None
