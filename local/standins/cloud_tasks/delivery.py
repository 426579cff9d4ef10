"""One attempt: the HTTP request that Cloud Tasks makes to a task's target, and its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from google.cloud.tasks_v2 import types

from local.standins.cloud_tasks.store import Entry
from local.standins.deadlines import Deadlines
from local.standins.faults import Fault
from local.standins.http1 import Answer, ConnectionLost, MalformedAnswer, exchange
from local.standins.ledger import Call
from local.standins.wire_tap import Tap
from shared.clock import Clock

Sign = Callable[[str, str], str]
"""An ID token for a service account's email and an audience."""

_OURS = ("x-google-", "x-appengine-", "x-cloudtasks-")
_REPLACED = {"host", "content-length", "transfer-encoding", "connection", "user-agent"}


@dataclass(frozen=True)
class Outcome:
    """The outcome of an attempt. `status` is None if there was no answer; `retry_after` is in seconds."""

    status: int | None
    reason: str
    retry_after: float = 0.0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def pushed_back(self) -> bool:
        return self.status in (429, 503)


class Courier:
    """Makes the attempts of all queues."""

    def __init__(self, *, clock: Clock, deadlines: Deadlines, tap: Tap, sign: Sign) -> None:
        self._clock, self._deadlines, self._tap, self._sign = clock, deadlines, tap, sign

    async def attempt(self, entry: Entry) -> Outcome:
        """Make one attempt and return its outcome. Never raises: every failure is an outcome that the queue retries."""
        request = entry.task.http_request
        call = Call("queue", "DISPATCH", request.url, bytes=len(request.body))
        call.notes["task"] = entry.name.rpartition("/")[-1]
        self._tap.ledger.record(call)
        self._tap.ledger.count("queue", "dispatches")
        fault = self._tap.faults.take("queue", f"DISPATCH {request.url}")
        deadline = self._clock.time() + entry.task.dispatch_deadline.ToMilliseconds() / 1000
        try:
            async with self._deadlines.until(deadline):
                outcome = await self._faulty(entry, call, fault)
        except TimeoutError:
            outcome = Outcome(None, "DEADLINE_EXCEEDED")
        except (OSError, ConnectionLost, MalformedAnswer) as error:
            outcome = Outcome(None, f"UNREACHABLE: {error}")
        call.status = outcome.status if outcome.status is not None else outcome.reason.partition(":")[0].lower()
        return outcome

    async def _faulty(self, entry: Entry, call: Call, fault: Fault | None) -> Outcome:
        if fault is None:
            return await self._send(entry, call)
        await asyncio.sleep(fault.delay)
        if fault.status is not None:
            return Outcome(fault.status, f"HTTP status code {fault.status}", fault.retry_delay or 0.0)
        if fault.drop in (True, "before") or fault.kill == "before":
            return Outcome(None, "DROPPED")
        outcome = await self._send(entry, call)
        return Outcome(None, "DROPPED") if "after" in (fault.drop, fault.kill) else outcome

    async def _send(self, entry: Entry, call: Call) -> Outcome:
        request = entry.task.http_request
        method = types.HttpMethod(request.http_method).name
        answer = await exchange(method, request.url, self._headers(entry), request.body)
        call.bytes += answer.body_bytes
        return Outcome(answer.status, f"HTTP status code {answer.status}", _retry_after(answer))

    def _headers(self, entry: Entry) -> dict[str, str]:
        task, request = entry.task, entry.task.http_request
        queue, _, task_id = entry.name.rpartition("/tasks/")
        headers = {
            name: value.strip()
            for name, value in request.headers.items()
            if name.lower() not in _REPLACED and not name.lower().startswith(_OURS)
        }
        if request.HasField("oidc_token"):
            headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            token = self._sign(request.oidc_token.service_account_email, request.oidc_token.audience)
            headers["Authorization"] = f"Bearer {token}"
        headers |= {
            "User-Agent": "Google-Cloud-Tasks",
            "X-CloudTasks-QueueName": queue.rpartition("/")[-1],
            "X-CloudTasks-TaskName": task_id,
            "X-CloudTasks-TaskRetryCount": str(max(0, task.dispatch_count - 1)),
            "X-CloudTasks-TaskExecutionCount": str(task.response_count),
            "X-CloudTasks-TaskETA": f"{entry.due:.6f}",
        }
        if entry.previous_response is not None:
            headers["X-CloudTasks-TaskPreviousResponse"] = str(entry.previous_response)
        if entry.retry_reason:
            headers["X-CloudTasks-TaskRetryReason"] = entry.retry_reason
        if request.body or request.http_method in _METHODS_WITH_BODY:
            headers["Content-Length"] = str(len(request.body))
        return headers


_METHODS_WITH_BODY = (types.HttpMethod.POST, types.HttpMethod.PUT, types.HttpMethod.PATCH)


def _retry_after(answer: Answer) -> float:
    value = next((value for name, value in answer.headers if name == b"retry-after"), b"")
    return float(value) if value.isdigit() else 0.0
