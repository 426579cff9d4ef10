"""Every transition of a task's document, as pure functions.

            token  lease        who writes what
    ────────────────────────────────────────────────────────────────────────────────────────────
    create    0    –            ingest: pending, a dispatch is on the queue
    claim     1    until t+L    generate A: processing
    renew     1    until t'+L   A, every L/3, conditional on token 1
      A is paused (or killed); its lease ends
    claim     2    until t"+L   generate B takes over: the token rises
      A wakes: renew(1) or finish(1) meet token 2 and raise LeaseLost; A writes nothing more
    finish    2    –            B: completed | failed, with the after-work still to do
    tidy      2    –            B: after-work done, the task is closed
    ────────────────────────────────────────────────────────────────────────────────────────────
    put_off   +1   –            the holder: waiting {reason, until}, the epoch rises, a dispatch is due then
    cancel    +1   –            the api: failed with request_cancelled; the holder finds out and stops

Each function takes the document as it was read and returns the document to write, or raises `LeaseLost`. The store
writes it only if the document has not changed since; otherwise it reads the document and calls the function again.
Terminal states never change, progress never falls, the token only rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import JsonValue

from shared.domain.errors import LeaseLost, WaitingReason
from shared.domain.index_entries import is_indexed
from shared.domain.money.ledger import Ledger
from shared.domain.tasks.task import (
    AfterStep,
    Callback,
    GeminiCache,
    GeminiFile,
    Pointer,
    Ran,
    Task,
    TaskError,
    Waiting,
)

Counted = Literal["attempt", "outage"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of a task: results (or a pointer to them) if completed, an error if failed."""

    results: tuple[dict[str, JsonValue], ...] | None = None
    results_pointer: Pointer | None = None
    error: TaskError | None = None
    usage: dict[str, JsonValue] | None = None
    ledger: Ledger | None = None
    warnings: tuple[str, ...] = ()
    ran: Ran | None = None
    model: str | None = None
    outputs: tuple[str, ...] = ()


def leased(task: Task, now: datetime) -> bool:
    return task.lease_until is not None and task.lease_until > now


def claim(task: Task, *, now: datetime, lease: timedelta) -> Task:
    """Claim the task, or take it over after its lease has ended. Raises `LeaseLost` if it is terminal or leased."""
    if task.terminal or leased(task, now):
        raise LeaseLost(
            f"{task.id} cannot be claimed: it is {task.status}" + (" and leased" if not task.terminal else "")
        )
    return task.model_copy(
        update={
            "status": "processing",
            "token": task.token + 1,
            "takeovers": task.takeovers + (task.lease_until is not None),
            "ledger": task.ledger.with_attempt(task.token, now, "worker_lost") if task.lease_until else task.ledger,
            "lease_until": now + lease,
            "started_at": task.started_at or now,
            "waiting": None,
            "waited": task.waiting or task.waited,
            "dispatch_at": None,
        }
    )


def renew(
    task: Task,
    token: int,
    *,
    now: datetime,
    lease: timedelta,
    progress: int = 0,
    files: tuple[GeminiFile, ...] | None = None,
    cache: GeminiCache | None = None,
    ledger: Ledger | None = None,
) -> Task:
    """Extend the lease and record the progress. Raises `LeaseLost` if the claim is not the current one."""
    _require_claim(task, token)
    return task.model_copy(
        update={
            "lease_until": now + lease,
            "progress": max(task.progress, min(progress, 99)),
            "ledger": ledger or task.ledger,
            **_at_gemini(task, files, cache),
        }
    )


def put_off(
    task: Task,
    token: int,
    *,
    now: datetime,
    until: datetime,
    reason: WaitingReason,
    detail: str = "",
    epoch: int | None = None,
    counted: Counted | None = None,
    files: tuple[GeminiFile, ...] | None = None,
    cache: GeminiCache | None = None,
    model: str | None = None,
    ledger: Ledger | None = None,
) -> Task:
    """Release the task until `until`; `counted` says whether this counts as an attempt or as an outage.

    `epoch`: of the dispatch that is due then (default: the next).
    """
    _require_claim(task, token)
    waiting = keep_waiting(task, now=now, until=until, reason=reason, detail=detail, epoch=epoch)
    return waiting.model_copy(
        update={
            "token": task.token + 1,
            "ledger": (ledger or task.ledger).with_attempt(token, now, reason, detail),
            "lease_until": None,
            "attempts": task.attempts + (counted == "attempt"),
            "outages": task.outages + (counted == "outage"),
            **_at_gemini(task, files, cache),
            "model": model or task.model,
        }
    )


def keep_waiting(
    task: Task, *, now: datetime, until: datetime, reason: WaitingReason, detail: str = "", epoch: int | None = None
) -> Task:
    """Let an unclaimed task wait longer."""
    since = task.waiting_since if last_waiting_reason(task) == reason and task.waiting_since else now
    return task.model_copy(
        update={
            "epoch": max(task.epoch + 1, epoch or 0),
            "dispatch_at": until,
            "waiting": Waiting(reason=reason, until=until, detail=detail),
            "waiting_since": since,
        }
    )


def last_waiting_reason(task: Task) -> WaitingReason | None:
    """Return the reason that the task waits for, or waited for last."""
    last = task.waiting or task.waited
    return last.reason if last else None


def warn(task: Task, token: int, warnings: tuple[str, ...]) -> Task:
    """Put warnings on the task before it ends."""
    _require_claim(task, token)
    return task.model_copy(update={"warnings": tuple(dict.fromkeys((*task.warnings, *warnings)))})


def finish(
    task: Task,
    token: int,
    outcome: Outcome,
    *,
    now: datetime,
    files: tuple[GeminiFile, ...] | None = None,
    cache: GeminiCache | None = None,
    event: bool = False,
) -> Task:
    """End the task: completed with results, or failed with an error. `event`: whether one is published."""
    _require_claim(task, token)
    return _end(task.model_copy(update=_at_gemini(task, files, cache)), outcome, now=now, event=event)


def cancel(task: Task, *, now: datetime, event: bool = False) -> Task:
    """End the task as cancelled, whoever holds it. A terminal task is returned unchanged.

    A holder counts as cut off, like one whose task is taken over: it may have died, and says so itself if it has not.
    """
    if task.terminal:
        return task
    error = TaskError(code="request_cancelled", message="The task was cancelled on request.")
    ended = _end(task, Outcome(error=error), now=now, event=event)
    takeovers = task.takeovers + (task.lease_until is not None)
    return ended.model_copy(update={"token": task.token + 1, "takeovers": takeovers})


def tidy(
    task: Task,
    done: tuple[AfterStep, ...],
    outputs: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    children: tuple[str, ...] = (),
) -> Task:
    """Remove finished after-work, and close the task if none is left. `warnings` name what could not be made."""
    left = tuple(step for step in task.after if step not in done)
    files, cache = ((), None) if "delete_file" in done else (task.files, task.cache)
    merged = tuple(dict.fromkeys((*task.outputs, *outputs)))
    all_warnings = tuple(dict.fromkeys((*task.warnings, *warnings)))
    tidied = task.model_copy(
        update={
            "after": left,
            "files": files,
            "cache": cache,
            "outputs": merged,
            "warnings": all_warnings,
            "children": children or task.children,
        }
    )
    return tidied.model_copy(update={"open": _has_work_left(tidied)})


def record_callback(task: Task, callback: Callback) -> Task:
    """Record the state of the task's callback. Once it is settled, the task is closed."""
    noted = task.model_copy(update={"callback": callback})
    return noted.model_copy(update={"open": _has_work_left(noted)})


def _has_work_left(task: Task) -> bool:
    pending = task.callback is not None and task.callback.state == "pending"
    return not task.terminal or bool(task.after) or pending


def redispatch(task: Task, *, at: datetime, epoch: int | None = None) -> Task:
    """Record another dispatch, under the next epoch or `epoch`: one was lost or came too early."""
    return task.model_copy(update={"epoch": max(task.epoch + 1, epoch or 0), "dispatch_at": at})


def _at_gemini(task: Task, files: tuple[GeminiFile, ...] | None, cache: GeminiCache | None) -> dict[str, object]:
    """Return the fields of what was created at Gemini; None leaves a field unchanged."""
    return {} if files is None else {"files": files, "cache": cache}


def _require_claim(task: Task, token: int) -> None:
    if task.token != token or task.terminal:
        raise LeaseLost(f"claim {token} of {task.id} has ended: its token is {task.token}, it is {task.status}")


def _after_work(task: Task, *, cancelled: bool, event: bool) -> tuple[AfterStep, ...]:
    """Return the after-work of an ended task. A takeover or cancellation may have left unrecorded files."""
    uncertain = task.token > 1 or (cancelled and task.token > 0)
    callback: tuple[AfterStep, ...] = ("callback",) if task.callback else ()
    files: tuple[AfterStep, ...] = ("delete_file",) if task.files or task.cache or uncertain else ()
    events: tuple[AfterStep, ...] = ("event",) if event else ()
    return ("publish", *files, *callback, *events)


def _end(task: Task, outcome: Outcome, *, now: datetime, event: bool) -> Task:
    completed = outcome.error is None
    cancelled = outcome.error is not None and outcome.error.code == "request_cancelled"
    after = _after_work(task, cancelled=cancelled, event=event)
    if completed and is_indexed(task.model_copy(update={"ran": outcome.ran or task.ran})):
        after = ("index", *after)
    if completed and not (outcome.results or outcome.results_pointer):
        raise ValueError(f"{task.id} cannot complete without results")
    return task.model_copy(
        update={
            "status": "completed" if completed else "failed",
            "progress": 100 if completed else task.progress,
            "results": outcome.results,
            "results_pointer": outcome.results_pointer,
            "error": outcome.error,
            "usage": outcome.usage,
            "ledger": outcome.ledger or task.ledger,
            "warnings": outcome.warnings,
            "outputs": outcome.outputs,
            "ran": outcome.ran or task.ran,
            "model": outcome.model or task.model,
            "waiting": None,
            "waited": task.waiting or task.waited,
            "lease_until": None,
            "dispatch_at": now,
            "completed_at": now,
            # The retention period starts again at the end of the task.
            "expires_at": now + (task.expires_at - task.accepted_at),
            "after": after,
            "open": bool(after),
        }
    )
