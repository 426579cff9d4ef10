"""What a task's transitions are, told a second time and in other words, to hold `shared.domain.tasks.claims` against.

A `Reference` is the part of a document that the promises speak of. Each of its methods is one transition of the table
in the module's docstring; it returns None where the caller must find out that the task is not its own any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from shared.domain.tasks.task import Task


@dataclass(frozen=True)
class Reference:
    status: str = "pending"
    token: int = 0
    lease_until: datetime | None = None
    epoch: int = 0
    due: datetime | None = None
    progress: int = 0
    attempts: int = 0
    outages: int = 0
    takeovers: int = 0
    waiting: str | None = None
    waited: str | None = None
    outcome: str | None = None
    left: tuple[str, ...] = ()
    files: int = 0
    has_callback: bool = False

    @classmethod
    def of(cls, task: Task) -> Self:
        return cls(
            status=task.status,
            token=task.token,
            lease_until=task.lease_until,
            epoch=task.epoch,
            due=task.dispatch_at,
            progress=task.progress,
            attempts=task.attempts,
            outages=task.outages,
            takeovers=task.takeovers,
            waiting=task.waiting.reason if task.waiting else None,
            waited=task.waited.reason if task.waited else None,
            outcome=task.error.code if task.error else "results" if task.results or task.results_pointer else None,
            left=task.after,
            files=len(task.files),
            has_callback=task.callback is not None,
        )

    @property
    def over(self) -> bool:
        return self.outcome is not None

    def claim(self, now: datetime, until: datetime) -> Reference | None:
        is_leased = self.lease_until is not None and now < self.lease_until
        if self.over or is_leased:
            return None
        waited = self.waited if self.waiting is None else self.waiting
        return replace(
            self,
            status="processing",
            token=self.token + 1,
            takeovers=self.takeovers if self.lease_until is None else self.takeovers + 1,
            lease_until=until,
            due=None,
            waiting=None,
            waited=waited,
        )

    def renew(self, token: int, until: datetime, progress: int, files: int) -> Reference | None:
        if self.over or self.token != token:
            return None
        shown = progress if self.progress < progress <= 99 else 99 if progress > 99 else self.progress
        return replace(self, lease_until=until, progress=shown, files=files)

    def put_off(self, token: int, until: datetime, reason: str, counted: str | None) -> Reference | None:
        if self.over or self.token != token:
            return None
        attempts = self.attempts + 1 if counted == "attempt" else self.attempts
        outages = self.outages + 1 if counted == "outage" else self.outages
        given_back = replace(self, token=token + 1, lease_until=None, attempts=attempts, outages=outages)
        return given_back.wait(until, reason)

    def wait(self, until: datetime, reason: str) -> Reference:
        return replace(self, epoch=self.epoch + 1, due=until, waiting=reason)

    def finish(self, token: int, now: datetime, outcome: str) -> Reference | None:
        if self.over or self.token != token:
            return None
        return self._ended(now, outcome, uploads_unknown=self.token > 1)

    def cancel(self, now: datetime) -> Reference:
        if self.over:
            return self
        ended = self._ended(now, "request_cancelled", uploads_unknown=self.token > 0)
        cut_off = self.takeovers if self.lease_until is None else self.takeovers + 1
        return replace(ended, token=self.token + 1, takeovers=cut_off)

    def tidy(self, done: tuple[str, ...]) -> Reference:
        left = tuple(step for step in self.left if step not in done)
        return replace(self, left=left, files=0 if "delete_file" in done else self.files)

    def redispatch(self, at: datetime) -> Reference:
        return replace(self, epoch=self.epoch + 1, due=at)

    def _ended(self, now: datetime, outcome: str, uploads_unknown: bool) -> Reference:
        left = ["publish"]
        if self.files or uploads_unknown:
            left.append("delete_file")
        if self.has_callback:
            left.append("callback")
        return replace(
            self,
            status="completed" if outcome == "results" else "failed",
            progress=100 if outcome == "results" else self.progress,
            outcome=outcome,
            left=tuple(left),
            lease_until=None,
            due=now,
            waiting=None,
            waited=self.waited if self.waiting is None else self.waiting,
        )
