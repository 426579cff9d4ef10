"""A large file that is asked several questions is sent once; nothing of the task depends on that."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from functions.generate.model.context_cache import delete_cache
from local.standins.faults import Fault
from local.standins.gemini.models import catalogue as served
from shared import wiring
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model, resolve
from shared.domain.tasks import claims
from shared.domain.tasks.task import Task
from tests.functions.generate.conftest import RULED, SETTINGS, Body, System, answers, camelled, words
from tests.functions.generate.test_budgets import with_budgets

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGE = b"A sentence of the large file that is asked about. " * 400
"""About 5,000 tokens."""
RECIPE = """
[[recipe]]
name = "several"
for = { prefix = "cached/" }
takes = "text"
system = "You read files."
outputs = ["md"]
allow = ["model", "media_resolution"]
asks = [
  { name = "one", prompt = "First of {file}?" },
  { name = "two", prompt = "Second?", response_schema = { type = "array", items = { type = "string" } } },
  { name = "three", prompt = "Third?" },
]
"""


@pytest_asyncio.fixture(loop_scope="session")
async def _recipe(system: System) -> None:
    await system.drop("recipes.toml", RECIPE.encode(), bucket=SETTINGS)
    system.clock.advance(30)


def calls(system: System) -> dict[str, int]:
    return {
        name.removeprefix("cachedContents."): count
        for name, count in system.tap.ledger.stats().get("gemini", {}).items()
        if name.startswith("cachedContents.")
    }


def more(system: System, before: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in calls(system).items() if count > before.get(name, 0)}


def named(body: Body) -> str | None:
    name: str | None = camelled(body).get("cachedContent")
    return name


def with_file(body: Body) -> bool:
    return any("fileData" in camelled(part) for part in body["contents"][0]["parts"])


def cached(task: Task) -> int:
    usage: Any = task.usage
    return int(usage["prompt_tokens_details"]["cached_tokens"])


@pytest.mark.usefixtures("_recipe")
async def test_the_file_is_cached_once_and_each_question_names_the_cache(system: System) -> None:
    before = calls(system)
    system.model.script.extend([{"text": "1"}, {"text": "no JSON"}, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/talk.txt", LARGE, bucket=RULED)
    assert answers(task) == ["1", '["2"]', "3"]
    assert more(system, before) == {"create": 1, "delete": 1}
    asked = [body for _, body in system.model.asked]
    assert [words(body) for body in asked] == ["First of talk.txt?", "Second?", "Second?", "Third?"]
    assert len({named(body) for body in asked}) == 1
    assert named(asked[0])
    assert not any(with_file(body) or "systemInstruction" in body for body in asked)
    assert cached(task) >= 4 * len(LARGE) // 4
    assert task.cache is None
    assert (await system.published(task))["two.md"]


async def test_no_cache_is_kept_for_a_file_that_waits_for_its_index(system: System) -> None:
    await system.drop("recipes.toml", (RECIPE + 'index = "cached"\n').encode(), bucket=SETTINGS)
    system.clock.advance(30)
    before = calls(system)
    system.model.script.extend([{"text": "1"}, {"text": '["2"]'}, {"text": "3"}])
    system.tap.faults.add([Fault(service="gemini", match="fileSearchStores", status=503)])
    uri = await system.drop("cached/indexed.txt", LARGE, bucket=RULED)
    waiting = await system.until(uri, lambda task: task.terminal and "publish" not in task.after)
    assert {"index", "delete_file"} <= set(waiting.after)
    assert (more(system, before), waiting.cache) == ({"create": 1, "delete": 1}, None)
    system.tap.faults.clear()
    await system.ended(uri)
    assert more(system, before) == {"create": 1, "delete": 1}


@pytest.mark.usefixtures("_recipe")
@pytest.mark.parametrize(
    ("data", "metadata"),
    [
        (LARGE[:800], {}),
        (LARGE, {"dropsight_media_resolution": "low"}),
        (LARGE[:12_000], {"dropsight_model": "gemini-3.8-flash"}),
    ],
    ids=["too small", "a media resolution", "too small for this model"],
)
async def test_what_is_not_worth_it_or_cannot_be_cached_is_sent_each_time(
    system: System, data: bytes, metadata: dict[str, str]
) -> None:
    before = calls(system)
    name = f"cached/plain-{len(data)}-{len(metadata)}.txt"
    task = await system.answered(name, data, bucket=RULED, **metadata)
    assert len(answers(task)) == 3
    assert more(system, before) == {}
    assert all(with_file(body) for _, body in system.model.asked)


async def test_a_single_question_is_not_cached(system: System) -> None:
    before = calls(system)
    await system.answered("single.txt", LARGE)
    assert more(system, before) == {}


@pytest.mark.usefixtures("_recipe")
@pytest.mark.parametrize("status", [400, 403, 429, 500])
async def test_where_no_cache_can_be_made_the_file_is_sent(system: System, status: int) -> None:
    system.tap.faults.add([Fault(service="gemini", match="POST /v1beta/cachedContents", status=status)])
    task = await system.answered(f"cached/refused-{status}.txt", LARGE, bucket=RULED)
    assert len(answers(task)) == 3
    assert task.attempts == 0
    assert all(with_file(body) and named(body) is None for _, body in system.model.asked)
    assert cached(task) == 0


@pytest.mark.usefixtures("_recipe")
async def test_a_token_that_is_refused_costs_no_cache(system: System) -> None:
    before = calls(system)
    first = {"continuation_tokens": True, "text": "Half of it, and the rest.", "finish_reason": "CONTINUATION"}
    refusing = {"continuation_tokens": False, "finish_reason": None}
    rest = {"text": "And the end.", "finish_reason": None}
    system.model.script.extend([first, refusing, rest, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/token.txt", LARGE, bucket=RULED)
    assert answers(task)[0].startswith("Half of it")
    assert answers(task)[1:] == ['["2"]', "3"]
    assert more(system, before) == {"create": 1, "delete": 1}
    assert len({named(body) for _, body in system.model.asked}) == 1
    assert len(system.model.asked) == 5


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_that_is_gone_costs_no_token(system: System) -> None:
    first = {"continuation_tokens": True, "text": "Half of it, and the rest.", "finish_reason": "CONTINUATION"}
    rest = {**first, "finish_reason": None}
    system.model.script.extend([first, {"status": 400}, rest, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/gone-midway.txt", LARGE, bucket=RULED)
    assert answers(task) == ["Half of it, and the rest.", '["2"]', "3"]
    assert [named(body) is None for _, body in system.model.asked] == [False, True, True, True]


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_that_is_gone_is_done_without(system: System) -> None:
    system.model.script.extend([{"text": "1"}, {"status": 400}, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/gone.txt", LARGE, bucket=RULED)
    assert answers(task) == ["1", '["2"]', "3"]
    assert [named(body) is not None for _, body in system.model.asked] == [True, False, False]
    assert [with_file(body) for _, body in system.model.asked] == [False, True, True]
    assert task.attempts == 0


@pytest.mark.usefixtures("_recipe")
async def test_a_later_claim_goes_on_with_the_cache_that_it_finds_on_the_task(system: System) -> None:
    before = calls(system)
    system.model.script.extend([{"text": "1"}, {"status": 503}, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/between.txt", LARGE, bucket=RULED)
    assert answers(task) == ["1", '["2"]', "3"]
    assert (task.attempts, task.outages) == (0, 1)
    assert len({named(body) for _, body in system.model.asked}) == 1
    assert more(system, before) == {"create": 1, "delete": 1}


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_that_expired_while_the_task_waited_is_made_anew(system: System) -> None:
    before = calls(system)
    throttled = Fault(service="gemini", match="streamGenerateContent", status=429, retry_delay=1200.0, times=1)
    system.tap.faults.add([throttled])
    uri = await system.drop("cached/waiting.txt", LARGE, bucket=RULED)
    waiting = await system.until(uri, lambda task: task.waiting is not None)
    assert waiting.cache is not None
    system.clock.advance(1300)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert len(answers(task)) == 3
    assert more(system, before)["create"] == 2
    assert named(system.model.asked[0][1]) != waiting.cache.name


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_is_prolonged_where_its_questions_take_long(system: System) -> None:
    before = calls(system)
    system.model.script.extend([{"text": "1", "latency": "450s"}, {"text": '["2"]'}, {"text": "3"}])
    uri = await system.drop("cached/long.txt", LARGE, bucket=RULED)
    await system.until(uri, lambda task: task.cache is not None)
    await system.let_time_pass(uri, until=lambda: len(system.model.asked) > 1)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    assert len(answers(task)) == 3
    assert more(system, before) == {"create": 1, "patch": 1, "delete": 1}
    assert all(named(body) for _, body in system.model.asked)


async def test_a_cache_is_never_tried_below_what_the_service_takes() -> None:
    for name, served_model in served().items():
        known = resolve(name)
        if isinstance(known, Model) and "createCachedContent" in served_model.methods:
            assert tokens.least_cached(known) >= served_model.cache_minimum


@pytest.mark.usefixtures("_recipe")
async def test_the_answers_records_hold_no_files(system: System) -> None:
    task = await system.answered("cached/kept.txt", LARGE, bucket=RULED)

    def records() -> list[Body]:
        found = system.objects.bucket("results").list_blobs(prefix=f"tasks/{task.id}/answer-")
        return [json.loads(blob.download_as_bytes()) for blob in found]

    assert [record["question"]["name"] for record in await asyncio.to_thread(records)] == ["one", "two", "three"]


@pytest.mark.usefixtures("_recipe")
async def test_what_the_cache_kept_is_in_the_ledger(system: System) -> None:
    task = await system.answered("cached/paid.txt", LARGE, bucket=RULED)
    usage: Any = task.usage
    storage = usage["cache_storage"]
    assert storage["tokens"] >= len(LARGE) // 4
    assert storage["seconds"] > 0
    calls = sum(Decimal(call["cost"]) for call in usage["rounds"])
    assert Decimal(usage["cost"]) == calls + Decimal(storage["cost"])
    assert usage["price_source"] == "google"


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_that_was_replaced_stays_in_the_ledger(system: System) -> None:
    throttled = Fault(service="gemini", match="streamGenerateContent", status=429, retry_delay=1200.0, times=1)
    system.tap.faults.add([throttled])
    uri = await system.drop("cached/replaced.txt", LARGE, bucket=RULED)
    await system.until(uri, lambda task: task.waiting is not None)
    system.clock.advance(1300)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    expired, last = task.ledger.storages
    assert expired.seconds == 600
    usage: Any = task.usage
    assert usage["cache_storage"]["seconds"] == round(600 + last.seconds, 3)
    both = sum(storage.cost or 0 for storage in (expired, last))
    assert Decimal(usage["cost"]) == sum(Decimal(call["cost"]) for call in usage["rounds"]) + both


@pytest.mark.usefixtures("_recipe")
async def test_a_cache_that_is_done_without_is_deleted_and_stays_in_the_ledger(system: System) -> None:
    before = calls(system)
    system.model.script.extend([{"text": "1"}, {"status": 400}, {"text": '["2"]'}, {"text": "3"}])
    task = await system.answered("cached/refused.txt", LARGE, bucket=RULED)
    assert more(system, before) == {"create": 1, "delete": 1}
    assert [storage.model for storage in task.ledger.storages] == [task.model]


@pytest.mark.usefixtures("_recipe")
async def test_a_cancelled_task_tells_what_its_cache_cost(system: System) -> None:
    system.model.script.extend([{"text": "1"}, {"status": 429}])
    uri = await system.drop("cached/cancelled.txt", LARGE, bucket=RULED)
    task = await system.until(uri, lambda task: task.waiting is not None)
    stored = await system.tasks.get(task.id)
    assert stored is not None
    await system.tasks.change(stored, lambda current: claims.cancel(current, now=system.clock.now()))
    system.clock.advance(120)
    task = await system.until(uri, lambda task: task.terminal and not task.after)
    usage: Any = task.usage
    assert usage["calls"] == 1
    assert Decimal(usage["cache_storage"]["cost"]) > 0


async def test_a_cache_that_is_gone_already_counts_as_deleted(system: System) -> None:
    task = await system.answered("single/deleted.txt", b"some words")
    assert await delete_cache(wiring.generate(), task, "cachedContents/never-was")


async def test_a_task_without_a_cache_pays_for_no_storage(system: System) -> None:
    task = await system.answered("single/plain.txt", b"some words", dropsight_model="gemini-4-carbon")
    usage: Any = task.usage
    assert "cache_storage" not in usage
    assert usage["price_source"] == "third_party"


@pytest.mark.usefixtures("_recipe")
async def test_over_its_budget_a_task_pays_for_no_cache(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    before = calls(system)
    with_budgets(monkeypatch, inbox_daily_budget=Decimal(0), budget_action="fail")
    task = await system.answered("cached/over-budget.txt", LARGE, bucket=RULED)
    assert task.error is not None
    assert (task.error.code, more(system, before)) == ("budget_exceeded", {})
