"""A look-up costs one read; with the task's entity tag it answers 304 until the task changes, to who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import routing

from local.standins.faults import Fault
from shared import wiring
from shared.domain.tasks import claims
from shared.domain.tasks.task import Source, Task, new_task
from tests.functions.api.conftest import INBOX, System

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pending(system: System, name: str) -> Task:
    now = system.clock.now()
    source = Source(kind="object", bucket=INBOX, name=name, generation=7, size=3, created_at=now)
    task = new_task(source, owner=f"inbox:{INBOX}", model="m", now=now, keep=timedelta(days=1))
    await wiring.api().tasks.create(task)
    return task


def reads(system: System) -> int:
    return system.tap.ledger.stats().get("firestore", {}).get("reads", 0)


async def test_a_pending_task_answers_304_for_one_read_until_it_changes(system: System) -> None:
    secret = await system.key("poller", sources=(f"gs://{INBOX}/",))
    async with system.client(secret) as client:
        await client.get("/v1/tasks")
        task = await pending(system, "unchanged/one.txt")
        first = await client.get(f"/v1/tasks/{task.id}")
        tag, before = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}, reads(system)
        same = await client.get(f"/v1/tasks/{task.id}", headers=tag)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
        assert same.headers["cache-control"] == "private, no-cache"
        assert reads(system) == before + 1
        tasks = wiring.api().tasks
        stored = await tasks.get(task.id)
        assert stored is not None
        await tasks.change(stored, lambda task: claims.claim(task, now=system.clock.now(), lease=timedelta(minutes=1)))
        before = reads(system)
        changed = await client.get(f"/v1/tasks/{task.id}", headers=tag)
    assert (changed.status_code, changed.json()["status"]) == (200, "processing")
    assert changed.headers["etag"] != first.headers["etag"]
    assert reads(system) == before + 1


async def test_a_pending_task_is_read_once_and_shown_without_its_route(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = await system.key("asks-first", sources=(f"gs://{INBOX}/",))
    task = await pending(system, "unchanged/five.txt")
    async with system.client(secret) as client:
        by_route = await client.get(f"/v1/tasks/{task.id}?wait=0")
        monkeypatch.setattr(routing.APIRoute, "handle", _refuse)
        before = reads(system)
        shown = await client.get(f"/v1/tasks/{task.id}")
    assert reads(system) == before + 1
    assert (shown.status_code, shown.content) == (200, by_route.content)
    own = ("x-request-id", "ratelimit")
    assert {name: value for name, value in shown.headers.items() if name not in own} == {
        name: value for name, value in by_route.headers.items() if name not in own
    }


async def _refuse(*_: object) -> None:
    raise AssertionError("the route was asked")


async def test_a_tag_shows_nothing_to_a_key_that_may_not_see_the_task(system: System) -> None:
    secret = await system.key("sees", sources=(f"gs://{INBOX}/",))
    task = await pending(system, "unchanged/two.txt")
    async with system.client(secret) as client:
        tag = {"If-None-Match": (await client.get(f"/v1/tasks/{task.id}")).headers["etag"]}
    for other, status in (
        (await system.key("sees-nothing"), 404),
        (await system.key("may-not-read", sources=(f"gs://{INBOX}/",), scopes=("submit",)), 403),
        ("sk-" + "x" * 43, 401),
    ):
        for tags in (tag, {"If-None-Match": "*"}):
            async with system.client(other) as client:
                assert (await client.get(f"/v1/tasks/{task.id}", headers=tags)).status_code == status
    async with system.client(secret) as client:
        missing = await client.get("/v1/tasks/task-llm-0000000001-abcdefgh", headers={"If-None-Match": "*"})
    assert missing.status_code == 404


async def test_a_look_up_with_a_tag_counts_once_against_the_rate(system: System) -> None:
    secret = await system.key("counted", sources=(f"gs://{INBOX}/",), requests_per_minute=3)
    task = await pending(system, "unchanged/three.txt")
    async with system.client(secret) as client:
        answers = [await client.get(f"/v1/tasks/{task.id}", headers={"If-None-Match": '"old"'}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "r=2" in answers[0].headers["ratelimit"]


async def test_a_first_try_that_fails_is_repeated_by_the_route(system: System) -> None:
    secret = await system.key("patient", sources=(f"gs://{INBOX}/",))
    task = await pending(system, "unchanged/four.txt")
    async with system.client(secret) as client:
        tag = {"If-None-Match": (await client.get(f"/v1/tasks/{task.id}")).headers["etag"]}
        system.tap.faults.add([Fault(service="firestore", match="GetDocument", times=1, status=503)])
        answer = await client.get(f"/v1/tasks/{task.id}", headers=tag)
    assert answer.status_code == 304
