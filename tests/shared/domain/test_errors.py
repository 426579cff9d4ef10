"""The tree of errors: each class says what to do about it."""

from __future__ import annotations

from typing import get_args

import pytest

from shared.domain import errors
from shared.domain.errors import (
    Blocked,
    DropsightError,
    FailureCode,
    LeaseLost,
    PermanentFailure,
    Postponement,
    RequestRefused,
    RetryClass,
    TaskFailure,
    TimeIsUp,
    TransientFailure,
    Unavailable,
    WaitingReason,
)

EVERY = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DropsightError)]
POSTPONEMENTS = [each for each in EVERY if issubclass(each, Postponement) and each is not Postponement]


def test_everything_that_can_go_wrong_has_one_root_and_is_in_the_picture() -> None:
    assert errors.__doc__ is not None
    for each in (*EVERY,):
        assert each.__name__ in errors.__doc__
        assert each.__doc__ or issubclass(each, Postponement)


@pytest.mark.parametrize("kind", POSTPONEMENTS)
def test_every_postponement_has_a_public_reason_and_may_name_a_delay(kind: type[Postponement]) -> None:
    waits = kind("later", delay=7.0)
    assert waits.reason in get_args(WaitingReason)
    assert isinstance(waits.retry, RetryClass)
    assert (waits.delay, kind("later").delay, str(waits)) == (7.0, None, "later")


def test_each_way_to_retry_is_somebodys() -> None:
    failures = [each for each in EVERY if issubclass(each, TaskFailure) and hasattr(each, "retry")]
    assert {each.retry for each in failures} == set(RetryClass)


def test_a_lost_lease_and_spent_time_are_no_failures_of_the_task() -> None:
    for each in (LeaseLost, TimeIsUp, RequestRefused):
        assert not issubclass(each, TaskFailure)


def test_only_a_permanent_failure_has_a_public_code() -> None:
    for code in get_args(FailureCode):
        assert PermanentFailure(code, "no").code == code
    assert not hasattr(TransientFailure("later"), "code")
    assert not hasattr(Blocked("later"), "code")


def test_an_outage_is_transient_and_told_apart() -> None:
    assert issubclass(Unavailable, TransientFailure)
    assert Unavailable.retry is RetryClass.TRANSIENT


def test_a_refusal_carries_all_that_the_answer_needs() -> None:
    refused = RequestRefused(422, "invalid_request_error", "invalid_param", "no", param="model", headers={"A": "b"})
    assert (refused.status, refused.type, refused.code, refused.param) == (
        422, "invalid_request_error", "invalid_param", "model",
    )  # fmt: skip
    assert (refused.message, str(refused), refused.headers) == ("no", "no", {"A": "b"})
    assert RequestRefused(404, "not_found", "task_not_found", "no").headers == {}
