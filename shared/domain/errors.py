"""All exceptions of the product, as one tree.

DropsightError
├── RequestRefused            an API caller's mistake: HTTP status, public type, code, param
│   └── FieldRefused          a field of the request cannot be used: 422
├── LeaseLost                 another claim holds the task: stop, write nothing more
├── TimeIsUp                  generate's own time limit is near: hand over to the next dispatch
└── TaskFailure               what ends or delays a task
    ├── PermanentFailure      the task fails with a public code
    ├── TransientFailure      tried again with backoff, a bounded number of times
    │   └── Unavailable       the service is away: more often, for longer
    │       ├── Unreachable        and was asked nothing
    │       └── ConnectionBroken   and may have done what it was asked
    └── Postponement          tried again at a time the cause names; not counted as an attempt
        ├── Throttled         a rate limit, for as long as the service says
        ├── DailyQuotaSpent   until the quota's reset
        ├── FileStoreFull     the Files API's 20 GB are taken
        ├── ModelFailing      the model failed again and again, and is not asked for now
        ├── FlexRefused       no capacity for the flex tier; later at the standard price
        ├── BudgetSpent       what may be spent today is spent, or may be by calls under way
        └── Blocked           only the operator can mend it: key, billing, permission
            └── ReadForbidden    the function's account may not read an object, or it may not know that it is not there
"""

from __future__ import annotations

from typing import Literal, Self

FailureCode = Literal[
    "budget_exceeded",
    "request_cancelled",
    "source_superseded",
    "empty_answer",
    "empty_file",
    "invalid_manifest",
    "quota_unavailable",
    "content_policy_violation",
    "unsupported_content_type",
    "payload_too_large",
    "media_too_long",
    "file_processing_failed",
    "source_gone",
    "source_not_allowed",
    "source_not_readable",
    "url_not_fetchable",
    "model_not_found",
    "model_not_support_capability",
    "context_length_exceeded",
    "schema_not_satisfied",
    "deadline_exceeded",
    "upstream_error",
    "invalid_param",
]
"""Codes of a failed task's `error`."""

WaitingReason = Literal[
    "rate_limited",
    "daily_quota",
    "file_store_full",
    "blocked",
    "retrying",
    "time_limit",
    "inbox_cap",
    "overwritten",
    "budget",
    "paused",
    "flex",
]
"""Why a task waits; public as `waiting.reason`."""

RequestErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "insufficient_quota",
    "not_found",
    "gone",
    "rate_limit_error",
    "server_error",
    "service_unavailable_error",
]

_ERROR_TYPES: dict[int, RequestErrorType] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found",
    410: "gone",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "service_unavailable_error",
}
"""The type of an error by its status; other statuses from 500 on are `server_error`, the rest are the request's."""


def error_type_of(status: int) -> RequestErrorType:
    return _ERROR_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


class DropsightError(Exception):
    """The root. Its text is a sentence that a person can act on, and never holds a secret."""


class LeaseLost(DropsightError):
    """Another claim, a cancellation or a put-off has replaced this claim."""


class TimeIsUp(DropsightError):
    """The function's own time limit has nearly been reached."""


class RequestRefused(DropsightError):
    """A refusal of an API request, answered with HTTP `status`. `type_` is that of the status if left out."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        type_: RequestErrorType | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param
        self.type = type_ or error_type_of(status)
        self.headers = headers or {}


class FieldRefused(RequestRefused):
    """An answer of 422 that names the field of the request, `param`."""

    def __init__(self, param: str, message: str, code: str = "invalid_param") -> None:
        super().__init__(422, code, message, param=param)


class TaskFailure(DropsightError):
    """What ends or delays a task."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = self.summary = message

    def with_summary(self, summary: str) -> Self:
        """Set what logs and owners of other tasks may read: nothing that may quote a prompt, a file or an answer."""
        self.summary = summary
        return self


class PermanentFailure(TaskFailure):
    """The task ends as failed with `code`."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code: FailureCode = code


class TransientFailure(TaskFailure):
    """Worth another try after a backoff; past the bound the task fails with `upstream_error`."""


class Unavailable(TransientFailure):
    """A service did not answer or is unavailable: not the task's fault."""


class Unreachable(Unavailable):
    """No connection came about, so the service was asked nothing."""


class ConnectionBroken(Unavailable):
    """The connection broke: whether the service did what it was asked is not known."""


class Postponement(TaskFailure):
    """Not an attempt: the task waits `delay` seconds (None: the caller decides) for `reason`."""

    reason: WaitingReason

    def __init__(self, message: str, *, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class Throttled(Postponement):
    reason = "rate_limited"


class DailyQuotaSpent(Postponement):
    reason = "daily_quota"


class FileStoreFull(Postponement):
    reason = "file_store_full"


class ModelFailing(Postponement):
    """The breaker of the model is open: it failed again and again, and is not asked for now."""

    reason = "retrying"


class FlexRefused(Postponement):
    """There is no capacity for the flex tier now."""

    reason = "flex"


class BudgetSpent(Postponement):
    """A budget is against the call. `is_spent` is False if only reservations are in its way."""

    reason = "budget"

    def __init__(self, message: str, *, delay: float | None = None, is_spent: bool = True) -> None:
        super().__init__(message, delay=delay)
        self.is_spent = is_spent


class Blocked(Postponement):
    reason = "blocked"


class ReadForbidden(Blocked):
    """Cloud Storage answers 403: the account lacks a grant. Of an object that a request names, it is the request's
    mistake."""
