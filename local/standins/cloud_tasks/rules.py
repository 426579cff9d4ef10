"""What Cloud Tasks accepts: limits on names, sizes and times, and the errors for the rest."""

from __future__ import annotations

import re
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

import grpc
from google.cloud.tasks_v2 import types

from local.standins.grpc_refusals import Refusal, invalid

Pb: TypeAlias = Any
"""A raw protobuf message of google.cloud.tasks.v2; those classes are made at run time and have no types."""

TaskPb: Pb = types.Task.pb()
QueuePb: Pb = types.Queue.pb()

# https://cloud.google.com/tasks/docs/quotas
FURTHEST_SCHEDULE_SECONDS = 30 * 86400
LONGEST_LIFE_SECONDS = 31 * 86400
LARGEST_TASK_BYTES = 1 << 20
LARGEST_HEADERS_BYTES = 80 * 1000
LONGEST_URL = 2083
DEFAULT_DEADLINE_SECONDS = 600
MAX_DISPATCHES_PER_SECOND = 500
MAX_CONCURRENT_DISPATCHES = 5000

_LOCATION = r"projects/[A-Za-z0-9:.-]+/locations/[A-Za-z0-9-]+"
_QUEUE = re.compile(rf"{_LOCATION}/queues/[A-Za-z0-9-]{{1,100}}")
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WITH_BODY = {"POST", "PUT", "PATCH"}


def no_queue(name: str) -> Refusal:
    return Refusal(grpc.StatusCode.NOT_FOUND, f"Queue does not exist: {name}. Create it, or name it with --queue.")


def check_location(name: str) -> None:
    if not re.fullmatch(_LOCATION, name):
        raise invalid(f"{name!r} is not a location's name: projects/PROJECT_ID/locations/LOCATION_ID")


def check_queue_name(name: str) -> None:
    if not _QUEUE.fullmatch(name):
        raise invalid(f"{name!r} is not a queue's name: projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID")


def queue_of(task_name: str) -> str:
    queue, slash, task_id = task_name.rpartition("/tasks/")
    if not slash or not _QUEUE.fullmatch(queue) or not _TASK_ID.fullmatch(task_id):
        raise invalid(
            f"{task_name!r} is not a task's name: QUEUE/tasks/TASK_ID, TASK_ID at most 500 letters, digits, - or _"
        )
    return queue


def prepare_task(submitted: Pb, queue: str, name: str, now: float) -> Pb:
    """Return the task as the queue stores it: checked, with defaults, and without output-only fields.

    Raises Refusal.
    """
    if queue_of(name) != queue:
        raise invalid(f"The task's name {name!r} must lie under the queue {queue!r}")
    kind = submitted.WhichOneof("message_type")
    if kind == "app_engine_http_request":
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "App Engine targets are not served here: use http_request")
    if kind is None:
        raise invalid("Task.http_request must be set")
    task = TaskPb(name=name, http_request=submitted.http_request)
    _check_request(task.http_request)
    _set_times(task, submitted, now)
    if submitted.HasField("retry_config"):
        check_retries(submitted.retry_config)
        task.retry_config.CopyFrom(submitted.retry_config)
    if (size := task.ByteSize()) > LARGEST_TASK_BYTES:
        raise invalid(f"Task size too large: {size} bytes, at most {LARGEST_TASK_BYTES}")
    return task


def _set_times(task: Pb, submitted: Pb, now: float) -> None:
    schedule = submitted.schedule_time.ToMicroseconds() / 1e6 if submitted.HasField("schedule_time") else now
    if schedule > now + FURTHEST_SCHEDULE_SECONDS:
        raise invalid("Task.schedule_time is too far in the future: at most 30 days ahead")
    task.schedule_time.FromMicroseconds(int(max(schedule, now) * 1e6))
    task.create_time.FromSeconds(int(now))
    deadline = submitted.dispatch_deadline.ToMilliseconds() if submitted.HasField("dispatch_deadline") else 0
    if submitted.HasField("dispatch_deadline") and not 15_000 <= deadline <= 1_800_000:
        raise invalid("Task.dispatch_deadline must be between 15 s and 30 min for HTTP targets")
    task.dispatch_deadline.FromMilliseconds(deadline or DEFAULT_DEADLINE_SECONDS * 1000)


def _check_request(request: Pb) -> None:
    url = quote(request.url, safe="%/:=&?~#+!$,;'@()*[]")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise invalid(f"HttpRequest.url {request.url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid(f"HttpRequest.url {request.url!r} must begin with http:// or https:// and name a host")
    if len(url) > LONGEST_URL:
        raise invalid(f"HttpRequest.url is too long: {len(url)} characters when encoded, at most {LONGEST_URL}")
    request.url = url
    request.http_method = request.http_method or types.HttpMethod.POST
    if request.http_method not in list(types.HttpMethod):
        raise invalid(f"HttpRequest.http_method {request.http_method} is not a method")
    method = types.HttpMethod(request.http_method).name
    if request.body and method not in _WITH_BODY:
        raise invalid(f"HttpRequest.body is not allowed with the method {method}")
    _check_headers(request.headers)
    token = request.WhichOneof("authorization_header")
    if token == "oauth_token":  # noqa: S105 - a field's name
        raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "oauth_token is not served here: use oidc_token")
    if token == "oidc_token":  # noqa: S105 - a field's name
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", request.oidc_token.service_account_email):
            raise invalid("OidcToken.service_account_email must be a service account's email address")
        request.oidc_token.audience = request.oidc_token.audience or request.url


def _check_headers(headers: Pb) -> None:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise invalid(f"HttpRequest.headers: {name!r} is not a valid header")
    if sum(len(name) + len(value) for name, value in headers.items()) >= LARGEST_HEADERS_BYTES:
        raise invalid("HttpRequest.headers are too large: they must be less than 80 KB")


def check_queue(queue: Pb) -> None:
    """Raise Refusal unless rate limits and retries are within the service's limits."""
    check_queue_name(queue.name)
    for field in ("http_target", "app_engine_routing_override"):
        if queue.HasField(field):
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, f"Queue.{field} is not served here: set it on the task")
    limits = queue.rate_limits
    if not 0 <= limits.max_dispatches_per_second <= MAX_DISPATCHES_PER_SECOND:
        raise invalid(f"RateLimits.max_dispatches_per_second must be at most {MAX_DISPATCHES_PER_SECOND}")
    if not 0 <= limits.max_concurrent_dispatches <= MAX_CONCURRENT_DISPATCHES:
        raise invalid(f"RateLimits.max_concurrent_dispatches must be at most {MAX_CONCURRENT_DISPATCHES}")
    check_retries(queue.retry_config)


def check_retries(config: Pb) -> None:
    if config.max_attempts < -1:
        raise invalid("RetryConfig.max_attempts must be -1 (unlimited) or more")
    if config.max_doublings < 0:
        raise invalid("RetryConfig.max_doublings must not be negative")
    low, high = config.min_backoff.ToMilliseconds(), config.max_backoff.ToMilliseconds()
    if low < 0 or high < 0 or (config.HasField("max_backoff") and low > high):
        raise invalid("RetryConfig.min_backoff must not be more than max_backoff")


def task_view(task: Pb, view: int) -> Pb:
    """Return the task as an answer shows it: with the body only in the full view."""
    answer = TaskPb()
    answer.CopyFrom(task)
    full = view == types.Task.View.FULL
    answer.view = types.Task.View.FULL if full else types.Task.View.BASIC
    if not full:
        answer.http_request.ClearField("body")
    return answer


def redirect_request(request: Pb, base: str) -> bool:
    """Redirect an HTTP request for this machine to `base`. Return whether that changed it."""
    url = urlsplit(request.url)
    if url.hostname not in _LOOPBACK:
        return False
    before = f"{url.scheme}://{url.netloc}"
    if before == base:
        return False
    request.url = base + request.url.removeprefix(before)
    if request.HasField("oidc_token") and request.oidc_token.audience.startswith(before):
        request.oidc_token.audience = base + request.oidc_token.audience.removeprefix(before)
    return True
