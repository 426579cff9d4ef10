"""Each transition's promise in a sentence; `test_claims_machine` holds them all in every order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import LeaseLost
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Callback, GeminiFile, Source, Task, TaskError, new_task

NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)
LATER = NOW + timedelta(minutes=10)
SOURCE = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=NOW)
FILE = GeminiFile(name="files/one", uri="https://files/one", mime_type="text/plain", expires_at=LATER)
DONE = Outcome(results=({"id": "chatcmpl-1"},))
FAILED = Outcome(error=TaskError(code="upstream_error", message="no"))


@pytest.fixture
def pending() -> Task:
    return new_task(SOURCE, owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=30))


@pytest.fixture
def leased(pending: Task) -> Task:
    return claims.claim(pending, now=NOW, lease=LEASE)


def test_a_claim_raises_the_token_and_starts_the_task_once(pending: Task) -> None:
    first = claims.claim(pending, now=NOW, lease=LEASE)
    second = claims.claim(first, now=LATER, lease=LEASE)
    assert (first.token, second.token) == (1, 2)
    assert (first.started_at, second.started_at) == (NOW, NOW)
    assert second.lease_until == LATER + LEASE


def test_a_lease_keeps_others_out_until_the_moment_it_ends(leased: Task) -> None:
    end = NOW + LEASE
    with pytest.raises(LeaseLost, match="leased"):
        claims.claim(leased, now=end - timedelta(microseconds=1), lease=LEASE)
    assert claims.claim(leased, now=end, lease=LEASE).token == 2


def test_an_ended_task_is_not_claimed(leased: Task) -> None:
    for ended in (claims.finish(leased, 1, DONE, now=NOW), claims.cancel(leased, now=NOW)):
        with pytest.raises(LeaseLost):
            claims.claim(ended, now=LATER, lease=LEASE)


def test_who_was_taken_over_writes_nothing_more(leased: Task) -> None:
    taken = claims.claim(leased, now=LATER, lease=LEASE)
    with pytest.raises(LeaseLost):
        claims.renew(taken, 1, now=LATER, lease=LEASE)
    with pytest.raises(LeaseLost):
        claims.put_off(taken, 1, now=LATER, until=LATER, reason="retrying")
    with pytest.raises(LeaseLost):
        claims.finish(taken, 1, DONE, now=LATER)


def test_who_finished_or_was_cancelled_writes_nothing_more(leased: Task) -> None:
    for ended in (claims.finish(leased, 1, DONE, now=NOW), claims.cancel(leased, now=NOW)):
        for token in (1, 2):
            with pytest.raises(LeaseLost):
                claims.renew(ended, token, now=NOW, lease=LEASE)
            with pytest.raises(LeaseLost):
                claims.finish(ended, token, FAILED, now=NOW)


def test_who_put_a_task_off_does_not_hold_it_any_more(leased: Task) -> None:
    waiting = claims.put_off(leased, 1, now=NOW, until=LATER, reason="rate_limited", detail="slow down")
    assert (waiting.status, waiting.token, waiting.lease_until, waiting.epoch) == ("processing", 2, None, 1)
    assert waiting.waiting is not None
    assert (waiting.waiting.reason, waiting.waiting.until, waiting.dispatch_at) == ("rate_limited", LATER, LATER)
    with pytest.raises(LeaseLost):
        claims.renew(waiting, 1, now=NOW, lease=LEASE)


@pytest.mark.parametrize(("counted", "uses_up"), [(None, (0, 0)), ("attempt", (1, 0)), ("outage", (0, 1))])
def test_a_put_off_uses_up_what_it_is_counted_as(
    leased: Task, counted: claims.Counted | None, uses_up: tuple[int, int]
) -> None:
    waiting = claims.put_off(leased, 1, now=NOW, until=LATER, reason="retrying", counted=counted)
    assert (waiting.attempts, waiting.outages) == uses_up


def test_a_takeover_is_told_from_a_claim_after_a_put_off(leased: Task) -> None:
    waiting = claims.put_off(leased, 1, now=NOW, until=LATER, reason="retrying")
    assert claims.claim(waiting, now=LATER, lease=LEASE).takeovers == 0
    assert claims.claim(leased, now=NOW + 2 * LEASE, lease=LEASE).takeovers == 1


def test_how_long_a_task_has_waited_for_one_reason_outlasts_the_tries_in_between(leased: Task) -> None:
    waiting = claims.put_off(leased, 1, now=NOW, until=LATER, reason="rate_limited")
    again = claims.claim(waiting, now=LATER, lease=LEASE)
    assert claims.last_waiting_reason(again) == "rate_limited"
    same = claims.put_off(again, 3, now=LATER, until=LATER + LEASE, reason="rate_limited")
    other = claims.put_off(again, 3, now=LATER, until=LATER + LEASE, reason="blocked")
    assert (same.waiting_since, other.waiting_since) == (NOW, LATER)


def test_progress_never_falls_and_never_says_done_before_the_end(leased: Task) -> None:
    far = claims.renew(leased, 1, now=NOW, lease=LEASE, progress=150)
    assert far.progress == 99
    assert claims.renew(far, 1, now=NOW, lease=LEASE, progress=3).progress == 99


def test_a_renewal_that_names_no_files_keeps_those_that_are_recorded(leased: Task) -> None:
    uploaded = claims.renew(leased, 1, now=NOW, lease=LEASE, files=(FILE,))
    assert claims.renew(uploaded, 1, now=NOW, lease=LEASE).files == (FILE,)
    assert claims.put_off(uploaded, 1, now=NOW, until=LATER, reason="retrying").files == (FILE,)
    assert claims.finish(uploaded, 1, DONE, now=NOW).files == (FILE,)


def test_completion_brings_results_and_full_progress_at_once(leased: Task) -> None:
    ended = claims.finish(leased, 1, DONE, now=LATER)
    assert (ended.status, ended.progress, ended.results, ended.error) == ("completed", 100, DONE.results, None)
    assert (ended.completed_at, ended.lease_until, ended.waiting, ended.open) == (LATER, None, None, True)


@pytest.mark.parametrize("empty", [Outcome(), Outcome(results=())])
def test_nothing_is_completed_without_results(leased: Task, empty: Outcome) -> None:
    with pytest.raises(ValueError, match="without results"):
        claims.finish(leased, 1, empty, now=NOW)


def test_a_failure_keeps_the_progress_and_says_why(leased: Task) -> None:
    half = claims.renew(leased, 1, now=NOW, lease=LEASE, progress=50)
    ended = claims.finish(half, 1, FAILED, now=NOW)
    assert (ended.status, ended.progress, ended.results) == ("failed", 50, None)
    assert ended.error is not None


def test_a_cancelled_task_says_so_and_cancelling_again_changes_nothing(leased: Task) -> None:
    ended = claims.cancel(leased, now=NOW)
    assert ended.error is not None
    assert (ended.status, ended.error.code, ended.token) == ("failed", "request_cancelled", 2)
    assert claims.cancel(ended, now=LATER) is ended
    done = claims.finish(leased, 1, DONE, now=NOW)
    assert claims.cancel(done, now=LATER) is done


def test_what_is_left_to_do_after_the_end_depends_on_what_there_is(pending: Task, leased: Task) -> None:
    with_callback = leased.model_copy(update={"callback": Callback(url="https://example.org/")})
    uploaded = claims.renew(leased, 1, now=NOW, lease=LEASE, files=(FILE,))
    taken = claims.claim(leased, now=LATER, lease=LEASE)
    assert claims.finish(leased, 1, DONE, now=NOW).after == ("publish",)
    assert claims.finish(with_callback, 1, DONE, now=NOW).after == ("publish", "callback")
    assert claims.finish(uploaded, 1, DONE, now=NOW).after == ("publish", "delete_file")
    assert claims.finish(taken, 2, DONE, now=NOW).after == ("publish", "delete_file"), (
        "the first claim may have uploaded"
    )
    assert claims.cancel(pending, now=NOW).after == ("publish",)
    assert claims.cancel(leased, now=NOW).after == ("publish", "delete_file"), "the holder may be uploading"


def test_a_task_is_open_until_all_its_after_work_is_done(leased: Task) -> None:
    ended = claims.finish(claims.renew(leased, 1, now=NOW, lease=LEASE, files=(FILE,)), 1, DONE, now=NOW)
    half = claims.tidy(ended, ("publish",), ("gs://results/a.md",), ("no table in it",))
    assert (half.after, half.open, half.files) == (("delete_file",), True, (FILE,))
    assert (half.outputs, half.warnings) == (("gs://results/a.md",), ("no table in it",))
    whole = claims.tidy(half, ("delete_file", "publish"), ("gs://results/a.md",), ("no table in it",))
    assert (whole.after, whole.open, whole.files) == ((), False, ())
    assert (whole.outputs, whole.warnings) == (half.outputs, half.warnings)


def test_a_lost_dispatch_gets_the_next_epoch(pending: Task) -> None:
    again = claims.redispatch(pending, at=LATER)
    assert (again.epoch, again.dispatch_at, again.status, again.token) == (1, LATER, "pending", 0)
