"""Which files at the Files API a task still needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain import claims
from shared.domain.claims import Outcome
from shared.domain.task import GeminiFile, Source, Task, new_task
from shared.leftovers import needed

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
SOURCE = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
FILE = "files/dev-abcdefgh1777636800-0-1"
RECORDED = GeminiFile(name=FILE, uri="u", mime_type="t", expires_at=NOW)


def made() -> Task:
    return new_task(SOURCE, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))


def held(times: int = 1) -> Task:
    task = made()
    for turn in range(times):
        task = claims.claim(task, now=NOW + turn * LEASE, lease=LEASE)
    return task


def test_nobody_needs_the_file_of_a_task_that_is_gone() -> None:
    assert not needed(None, FILE, 1)


def test_what_the_latest_claim_uploads_isneeded() -> None:
    assert needed(held(), FILE, 1)
    assert needed(made(), FILE, 1), "the claim's commit may be read late"


def test_what_a_claim_that_was_overtaken_uploaded_is_notneeded() -> None:
    assert not needed(held(2), FILE, 1)


def test_a_recorded_file_is_needed_by_the_claims_that_follow() -> None:
    uploaded = claims.renew(held(), 1, now=NOW, lease=LEASE, files=(RECORDED,))
    taken = claims.claim(uploaded, now=NOW + LEASE, lease=LEASE)
    waiting = claims.put_off(uploaded, 1, now=NOW, until=NOW, reason="rate_limited")
    assert needed(taken, FILE, 1)
    assert needed(waiting, FILE, 1)


@pytest.mark.parametrize(
    "ended",
    [
        claims.finish(held(), 1, Outcome(results=({"id": "x"},)), now=NOW, files=(RECORDED,)),
        claims.cancel(held(), now=NOW),
    ],
)
def test_an_ended_task_needs_no_file(ended: Task) -> None:
    assert not needed(ended, FILE, 1)
