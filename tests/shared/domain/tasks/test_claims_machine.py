"""Many writers of one task, in any order: stale snapshots, lost answers, pauses, crashes, duplicates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.domain.errors import LeaseLost, WaitingReason
from shared.domain.tasks import claims
from shared.domain.tasks.task import (
    Callback,
    Source,
    Task,
    Waiting,
    new_task,
)
from tests.shared.domain.tasks.task_writers import (
    FILE,
    LEASE,
    OUTCOMES,
    START,
    Stored,
    TaskWriters,
    Writer,
)

REASONS: list[WaitingReason] = ["rate_limited", "retrying", "blocked", "time_limit"]

MEANWHILE = [*[None] * 12, "event", "cancel"]

Draw = Callable[[st.SearchStrategy[Any]], Any]


class ManyWriters(TaskWriters, RuleBasedStateMachine):
    # What happens from outside

    @initialize(backlog=st.booleans(), callback=st.booleans())
    def object_dropped(self, backlog: bool, callback: bool) -> None:
        source = Source(kind="object", bucket="inbox", name="a.txt", generation=1, size=3, created_at=START)
        task = new_task(source, owner="inbox:inbox", model="m", now=self.now, keep=timedelta(days=30))
        if backlog:
            until = self.now + timedelta(hours=2)
            waits = Waiting(reason="inbox_cap", until=until)
            task = task.model_copy(update={"waiting": waits, "dispatch_at": until})
        if callback:
            task = task.model_copy(update={"callback": Callback(url="https://example.org/")})
        self.stored = Stored(task, 0)
        self.put(0, task.dispatch_at or self.now)

    def time_passes(self, pick: int, draw: Draw) -> None:
        """By some seconds, or to when the next dispatch is due."""
        seconds, meanwhile = draw(st.sampled_from([0.5, 30, 61, 61, 150])), draw(st.sampled_from(MEANWHILE))
        moments = [at for at in (*self.queue.values(), *self.comebacks) if at > self.now]
        self.now = min([self.now + timedelta(seconds=seconds), *moments] if seconds > 1 or not moments else moments)
        if meanwhile == "event" and not self.task.terminal:
            self.put(0, self.task.waiting.until if self.task.waiting else self.now)
        if meanwhile == "cancel":
            self.cancel()

    @rule(which=st.integers(0, 59), pick=st.integers(0, 5), smooth=st.booleans(), data=st.data())
    def something_happens(self, which: int, pick: int, smooth: bool, data: st.DataObject) -> None:
        self.smooth = smooth
        possible = self.possible()
        possible[which % len(possible)](pick, data.draw)

    def possible(self) -> list[Callable[[int, Draw], None]]:
        task = self.task
        acts: list[Callable[[int, Draw], None]] = [self.time_passes]
        acts += [self.crashes] if self.writers else []
        acts += [self.dispatch_delivered] * 3 if self.due() else []
        acts += [self.lease_ended] if any(at <= self.now for at in self.comebacks) else []
        acts += [self.swept] if self.overdue(task) else []
        acts += [self.callback_noted] if task.callback is not None and task.terminal else []
        acts += [self.store_answers] * 3 if self.busy() else []
        acts += [self.renews, self.puts_off, self.finishes] if self.free(holder=True) else []
        acts += [self.tidies] if self.free(holder=False) else []
        return acts

    def dispatch_delivered(self, pick: int, draw: Draw) -> None:
        due = self.due()
        epoch = due[pick % len(due)]
        self.carry(epoch, refusal_stands=draw(st.booleans()))
        if draw(st.booleans()):
            self.answered(epoch)

    def lease_ended(self, pick: int, draw: Draw) -> None:
        self.comebacks = {at for at in self.comebacks if at > self.now}
        self.carry(self.task.epoch, refusal_stands=False)

    def swept(self, pick: int, draw: Draw) -> None:
        self.redrive(Writer(self.stored))

    def callback_noted(self, pick: int, draw: Draw) -> None:
        self.note_callback(draw(st.sampled_from(["delivered", "refused"])))

    # What the store does with what is under way

    def store_answers(self, pick: int, draw: Draw) -> None:
        busy = self.busy()
        self.answer(busy[pick % len(busy)], lose=draw(st.booleans()))

    def crashes(self, pick: int, draw: Draw) -> None:
        if draw(st.sampled_from([False, False, True])):
            self.leave(self.writers[pick % len(self.writers)])

    # What a holder does

    def renews(self, pick: int, draw: Draw) -> None:
        writer = self.holder(pick)
        token, now = cast(int, writer.token), self.now
        progress = draw(st.integers(0, 200))
        files = (FILE,) if draw(st.booleans()) else writer.stored.task.files
        self.begin(
            writer,
            lambda task: claims.renew(task, token, now=now, lease=LEASE, progress=progress, files=files),
            lambda reference: reference.renew(token, now + LEASE, progress, len(files)),
            lambda writer: None,
        )

    def puts_off(self, pick: int, draw: Draw) -> None:
        writer = self.holder(pick)
        reason: WaitingReason = draw(st.sampled_from(REASONS))
        token, now = cast(int, writer.token), self.now
        until = now + timedelta(seconds=draw(st.sampled_from([0, 7, 3600])))
        counted: claims.Counted | None = draw(st.sampled_from(["attempt", "outage"])) if reason == "retrying" else None
        self.put(writer.stored.task.epoch + 1, until)
        self.begin(
            writer,
            lambda task: claims.put_off(task, token, now=now, until=until, reason=reason, counted=counted),
            lambda reference: reference.put_off(token, until, reason, counted),
            self.leave,
        )

    def finishes(self, pick: int, draw: Draw) -> None:
        self.finish(self.holder(pick), draw(st.sampled_from(sorted(OUTCOMES))))

    def tidies(self, pick: int, draw: Draw) -> None:
        others = self.free(holder=False)
        writer = others[pick % len(others)]
        self.tidy(writer, tuple(step for step in writer.stored.task.after if draw(st.booleans())))

    # The promises

    @invariant()
    def the_document_says_what_it_must(self) -> None:
        task = self.task
        assert Task.model_validate(task.model_dump()) == task
        assert (task.status == "completed") == bool(task.results or task.results_pointer)
        assert (task.status == "completed") == (task.progress == 100)
        assert (task.status == "failed") == (task.error is not None)
        assert task.terminal == (task.completed_at is not None)
        undelivered = task.callback is not None and task.callback.state == "pending"
        assert task.open == (not task.terminal or bool(task.after) or undelivered)
        assert (task.status == "pending") == (task.token == 0 and not task.terminal)
        assert task.waiting is None or (not task.terminal and task.lease_until is None)
        assert task.lease_until is None or not task.terminal
        assert task.dispatch_at is not None or task.lease_until is not None, "somebody is due, or holds it"

    @invariant()
    def at_most_one_can_write_as_the_holder(self) -> None:
        tokens = [writer.token for writer in self.writers if writer.token is not None]
        assert len(set(tokens)) == len(tokens)
        able = 0
        for token in tokens:
            try:
                claims.renew(self.task, token, now=self.now, lease=LEASE)
            except LeaseLost:
                continue
            able += 1
        assert able <= 1

    def teardown(self) -> None:
        """Once it is calm again, time, the queue and sweep bring the task to its end, whatever was lost."""
        self.writers.clear()
        self.smooth = True
        rounds = 0
        while self.task.open:
            rounds += 1
            assert rounds < 6, "the task never ends"
            self.now += timedelta(hours=3)
            if self.overdue(self.task):
                self.redrive(Writer(self.stored))
                self.settle()
            for epoch in sorted(self.queue):
                self.carry(epoch, refusal_stands=False)
                self.settle()
                self.answered(epoch)
            if self.task.open and self.task.terminal and not self.task.after:
                self.note_callback("delivered")
                self.settle()
        self.the_document_says_what_it_must()


ManyWriters.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, derandomize=True, database=None
)
TestManyWritersOfOneTask = pytest.mark.long(ManyWriters.TestCase)
