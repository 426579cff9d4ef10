"""An Idempotency-Key: one task however often and however parallel a request is sent, and whoever dies in between."""

from __future__ import annotations

import asyncio
import json

import pytest

from shared import wiring
from shared.domain.request.tasks import Marks, object_name, record_id
from tests.functions.api.conftest import REQUESTS, System
from tests.functions.api.routes.test_submit import request

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_repeated_request_is_answered_with_the_same_task(system: System) -> None:
    async with system.client(await system.key("repeater"), **{"Idempotency-Key": "one"}) as client:
        first = await client.post("/v1/llm/generations", json=request(prompt="p", seed=1))
        await client.get(first.headers["location"], params={"wait": 60})
        spelled = json.dumps({"seed": 1, **request(prompt="p")}, indent=3)
        second = await client.post("/v1/llm/generations", content=spelled)
        other = await client.post("/v1/llm/generations", json=request(prompt="q"))
    assert second.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


@pytest.mark.long
async def test_a_hundred_parallel_submits_make_one_task(system: System) -> None:
    secret = await system.key("hundred")
    async with system.client(secret, **{"Idempotency-Key": "hundred"}) as client:
        answers = await asyncio.gather(*(client.post("/v1/llm/generations", json=request()) for _ in range(100)))
        await system.quiet()
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["id"] for answer in answers} == {listed[0]["id"]}
    assert len(listed) == 1


async def test_submits_to_several_instances_make_one_task_and_leave_no_other_object(system: System) -> None:
    """Without the lock that one instance has: as many instances as requests."""
    secret = await system.key("instances")
    intake = wiring.api().requests
    intake_of = type(intake)
    settings, clock, tasks = wiring.api().settings, wiring.api().clock, wiring.api().tasks
    several = [intake_of(settings, clock, tasks, wiring.api().dispatches, wiring.api().storage) for _ in range(12)]
    from functions.api.routes.submit import check

    key = await system.keys.find(secret)
    assert key is not None
    checked = await check(wiring.api(), key, json.dumps(request()).encode())
    made = await asyncio.gather(
        *(
            submitted.submit(checked.submission, checked.payload, key_id=key.id, idempotency_key="spread")
            for submitted in several
        )
    )
    await system.quiet()
    async with system.client(secret) as client:
        listed = (await client.get("/v1/tasks")).json()["data"]
    assert {submitted.task.id for submitted in made} == {listed[0]["id"]}
    assert len(listed) == 1
    assert sum(not submitted.replayed for submitted in made) == 1


async def test_an_object_whose_task_was_never_committed_becomes_one_by_its_event(system: System) -> None:
    secret = await system.key("orphan")
    task_id = f"task-llm-{int(system.clock.time())}-orphan00"
    marks = Marks("orphan", record_id("orphan", "k"), "payload")
    await wiring.api().storage.write(
        REQUESTS,
        object_name(task_id),
        json.dumps(request()).encode(),
        "application/json",
        metadata=marks.metadata(),
    )
    await system.quiet()
    async with system.client(secret) as client:
        task = (await client.get(f"/v1/tasks/{task_id}")).json()
    assert task["status"] == "completed"
    loser = f"task-llm-{int(system.clock.time())}-orphan01"
    await wiring.api().storage.write(
        REQUESTS,
        object_name(loser),
        json.dumps(request()).encode(),
        "application/json",
        metadata=marks.metadata(),
    )
    await system.quiet()
    async with system.client(secret) as client:
        assert (await client.get(f"/v1/tasks/{loser}")).status_code == 404


async def test_refused_requests_are_not_remembered(system: System) -> None:
    async with system.client(await system.key("forgiven"), **{"Idempotency-Key": "typo"}) as client:
        refused = await client.post("/v1/llm/generations", json=request(temperature=7))
        accepted = await client.post("/v1/llm/generations", json=request(temperature=1))
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "temperature")
    assert accepted.status_code == 200


async def test_keys_do_not_share_idempotency_keys(system: System) -> None:
    answers = []
    for key_id in ("idem-a", "idem-b"):
        async with system.client(await system.key(key_id), **{"Idempotency-Key": "shared"}) as client:
            answers.append((await client.post("/v1/llm/generations", json=request())).json()["id"])
    assert answers[0] != answers[1]
