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
    TaskFailure,
    TimeIsUp,
    TransientFailure,
    WaitingReason,
)

EVERY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DropsightError)]
POSTPONEMENTS = [kind for kind in EVERY if issubclass(kind, Postponement) and kind is not Postponement]


def test_everything_that_can_go_wrong_has_one_root_and_is_in_the_picture() -> None:
    assert errors.__doc__ is not None
    for kind in EVERY:
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__ or issubclass(kind, Postponement)


@pytest.mark.parametrize("kind", POSTPONEMENTS)
def test_every_postponement_has_a_public_reason_and_may_name_a_delay(kind: type[Postponement]) -> None:
    waits = kind("later", delay=7.0)
    assert waits.reason in get_args(WaitingReason)
    assert (waits.delay, kind("later").delay, str(waits)) == (7.0, None, "later")


def test_a_lost_lease_and_spent_time_are_no_failures_of_the_task() -> None:
    for kind in (LeaseLost, TimeIsUp, RequestRefused):
        assert not issubclass(kind, TaskFailure)


def test_only_a_permanent_failure_has_a_public_code() -> None:
    for code in get_args(FailureCode):
        assert PermanentFailure(code, "no").code == code
    assert not hasattr(TransientFailure("later"), "code")
    assert not hasattr(Blocked("later"), "code")


def test_a_refusal_carries_all_that_the_answer_needs() -> None:
    refused = RequestRefused(422, "invalid_param", "no", param="model", headers={"A": "b"})
    assert (refused.status, refused.type, refused.code, refused.param) == (
        422, "invalid_request_error", "invalid_param", "model",
    )  # fmt: skip
    assert (refused.message, str(refused), refused.headers) == ("no", "no", {"A": "b"})
    assert RequestRefused(404, "task_not_found", "no").headers == {}
