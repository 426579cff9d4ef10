"""Several writers of one stored task, whose calls to the store may come in any order.

A writer changes the task as `Tasks.change` does, with one call to the store at a time; between any two calls others may
write. Each transition is compared with the same transition of `claims_reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Literal, assert_never, cast

import pytest

from shared.domain.errors import LeaseLost
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import AfterStep, GeminiFile, Pointer, Task, TaskError
from tests.shared.domain.tasks.claims_reference import Reference

START = datetime(2026, 5, 1, tzinfo=UTC)
LEASE, GRACE, TOMBSTONE = timedelta(seconds=60), timedelta(seconds=120), timedelta(hours=1)
FILE = GeminiFile(name="files/one", uri="https://files/one", mime_type="text/plain", expires_at=START)
ORDER = {"pending": 0, "processing": 1, "completed": 2, "failed": 2}
MAY_CHANGE_AFTER_THE_END = {
    "after", "open", "files", "cache", "outputs", "warnings", "callback", "change", "epoch", "dispatch_at",
}  # fmt: skip
OUTCOMES = {
    "results": Outcome(results=({"id": "chatcmpl-1"},), warnings=("short",)),
    "pointer": Outcome(results_pointer=Pointer(name="tasks/x/results.json", size=300_000, sha256="0" * 64)),
    "upstream_error": Outcome(error=TaskError(code="upstream_error", message="Gemini failed")),
}

Decide = Callable[[Task], Task]
Expect = Callable[[Reference], Reference | None]


@dataclass(frozen=True)
class Stored:
    task: Task
    version: int


@dataclass(frozen=True)
class Write:
    task: Task
    version: int


Call = Write | Literal["read"]
Answer = Stored | None
"""None: the precondition does not hold (also of a commit that the client repeats, its answer having been lost)."""


def changing(known: Stored, decide: Decide, nonce: str) -> Generator[Call, Answer, Stored]:
    current = known
    while True:
        changed = decide(current.task)
        if changed is current.task:
            return current
        written = yield Write(changed.model_copy(update={"change": nonce}), current.version)
        if written is not None:
            return written
        document = yield "read"
        assert document is not None
        if document.task.change == nonce:
            return document
        current = document


@dataclass
class Writer:
    """Who works on the task: what it last read, the claim it believes to hold, its change under way."""

    stored: Stored
    token: int | None = None
    nonce: str = ""
    change: Generator[Call, Answer, Stored] | None = None
    call: Call | None = None
    own_version: int | None = None
    then: Callable[[Writer], None] = field(default=lambda writer: None)


def checked_by_reference(decide: Decide, expect: Expect) -> Decide:
    """Return `decide` with each of its results compared with the reference's."""

    def both(task: Task) -> Task:
        reference = expect(Reference.of(task))
        if reference is None:
            with pytest.raises(LeaseLost):
                decide(task)
            raise LeaseLost("as the reference says")
        changed = decide(task)
        assert Reference.of(changed) == reference
        return changed

    return both


def nothing_goes_back(before: Task, after: Task) -> None:
    """What holds between a document and the one that takes its place."""
    assert after.token >= before.token
    assert after.epoch >= before.epoch
    assert after.progress >= before.progress
    assert after.attempts >= before.attempts
    assert after.outages >= before.outages
    assert after.takeovers >= before.takeovers
    assert ORDER[after.status] >= ORDER[before.status]
    assert set(before.outputs) <= set(after.outputs)
    if before.terminal:
        kept = set(Task.model_fields) - MAY_CHANGE_AFTER_THE_END
        assert after.model_dump(include=kept) == before.model_dump(include=kept)
        assert set(after.after) <= set(before.after)


class TaskWriters:
    """A stored task, the queue of its dispatches, and all who change the task at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.writers: list[Writer] = []
        self.queue: dict[int, datetime] = {}
        self.comebacks: set[datetime] = set()
        self.used: dict[int, datetime] = {}
        self.nonces = count()
        self.smooth = False
        """Whether the store answers whoever begins a change before anything else happens."""

    stored: Stored

    @property
    def task(self) -> Task:
        return self.stored.task

    def free(self, *, holder: bool) -> list[Writer]:
        """Return the writers that wait for no answer of the store: holders of a claim, or others."""
        return [writer for writer in self.writers if writer.change is None and (writer.token is not None) == holder]

    def busy(self) -> list[Writer]:
        return [writer for writer in self.writers if writer.change is not None]

    def due(self) -> list[int]:
        return sorted(epoch for epoch, at in self.queue.items() if at <= self.now)

    # The queue: a name stays blocked for an hour after its dispatch was answered.

    def put(self, epoch: int, at: datetime) -> None:
        if epoch not in self.queue and self.now >= self.used.get(epoch, START):
            self.queue[epoch] = at

    def answered(self, epoch: int) -> None:
        del self.queue[epoch]
        self.used[epoch] = self.now + TOMBSTONE

    # Writing, one call at a time

    def begin(self, writer: Writer, decide: Decide, expect: Expect, then: Callable[[Writer], None]) -> None:
        writer.nonce, writer.then, writer.own_version = str(next(self.nonces)), then, None
        writer.change = changing(writer.stored, checked_by_reference(decide, expect), writer.nonce)
        if writer not in self.writers:
            self.writers.append(writer)
        self.advance_change(writer, lambda change: next(change))
        while self.smooth and writer.change is not None and writer in self.writers:
            self.answer(writer, lose=False)

    def advance_change(self, writer: Writer, go_on: Callable[[Generator[Call, Answer, Stored]], Call]) -> None:
        assert writer.change is not None
        try:
            writer.call = go_on(writer.change)
        except LeaseLost:
            assert writer.own_version != self.stored.version, "it did not know its own commit again"
            writer.token = None
            self.writers.remove(writer)
        except StopIteration as done:
            writer.stored, writer.change, writer.call = cast(Stored, done.value), None, None
            writer.then(writer)

    def answer(self, writer: Writer, lose: bool) -> None:
        """The store takes the writer's call; a commit's answer may be lost on the way."""
        answer: Answer
        match writer.call:
            case "read":
                answer = self.stored
            case Write(task, version):
                answer = None
                if version == self.stored.version:
                    self.applied(writer, task)
                    answer = None if lose else self.stored
            case None:
                raise AssertionError("no call is under way")
            case _:
                assert_never(writer.call)
        self.advance_change(writer, lambda change: change.send(answer))

    def applied(self, writer: Writer, task: Task) -> None:
        before = self.task
        if not before.terminal and writer.token is not None:
            assert before.token == writer.token, "only the holder of the current token changes a live task"
        self.stored = Stored(task, self.stored.version + 1)
        writer.own_version = self.stored.version
        nothing_goes_back(before, task)

    def leave(self, writer: Writer) -> None:
        writer.token = None
        if writer in self.writers:
            self.writers.remove(writer)

    def holder(self, pick: int) -> Writer:
        holders = self.free(holder=True)
        return holders[pick % len(holders)]

    # What a writer does with the task

    def carry(self, epoch: int, refusal_stands: bool) -> None:
        """As generate does."""
        task, now = self.task, self.now
        writer = Writer(self.stored)
        if task.terminal:
            self.writers.append(writer)
        elif claims.leased(task, now):
            assert task.lease_until is not None
            self.comebacks.add(task.lease_until + timedelta(seconds=1))
        elif epoch < task.epoch and task.dispatch_at is not None and task.dispatch_at > now:
            return
        elif task.waiting is not None and refusal_stands:
            self.keep_waiting(writer)
        else:
            self.claim(writer)

    def claim(self, writer: Writer) -> None:
        def claimed(writer: Writer) -> None:
            writer.token = writer.stored.task.token

        self.begin(
            writer,
            lambda task: claims.claim(task, now=self.now, lease=LEASE),
            lambda reference: reference.claim(self.now, self.now + LEASE),
            claimed,
        )

    def keep_waiting(self, writer: Writer) -> None:
        epoch, now, until = writer.stored.task.epoch, self.now, self.now + timedelta(seconds=45)
        self.put(epoch + 1, until)

        def mine(task: Task | Reference, over: bool) -> bool:
            return task.epoch == epoch and not over and not (task.lease_until is not None and task.lease_until > now)

        self.begin(
            writer,
            lambda task: (
                claims.keep_waiting(task, now=now, until=until, reason="rate_limited")
                if mine(task, task.terminal)
                else task
            ),
            lambda reference: reference.wait(until, "rate_limited") if mine(reference, reference.over) else reference,
            self.leave,
        )

    def cancel(self) -> None:
        now = self.now
        self.begin(
            Writer(self.stored),
            lambda task: claims.cancel(task, now=now),
            lambda reference: reference.cancel(now),
            self.leave,
        )

    def redrive(self, writer: Writer) -> None:
        epoch, now = writer.stored.task.epoch, self.now

        def dispatch(writer: Writer) -> None:
            self.put(writer.stored.task.epoch, now)
            self.leave(writer)

        self.begin(
            writer,
            lambda task: claims.redispatch(task, at=now) if task.epoch == epoch else task,
            lambda reference: reference.redispatch(now) if reference.epoch == epoch else reference,
            dispatch,
        )

    def note_callback(self, state: str) -> None:
        assert self.task.callback is not None
        callback = self.task.callback.model_copy(update={"state": state})
        self.begin(
            Writer(self.stored),
            lambda task: claims.record_callback(task, callback),
            lambda reference: reference,
            self.leave,
        )

    def finish(self, writer: Writer, outcome: str) -> None:
        token, now = cast(int, writer.token), self.now

        def ended(writer: Writer) -> None:
            writer.token = None

        self.begin(
            writer,
            lambda task: claims.finish(task, token, OUTCOMES[outcome], now=now),
            lambda reference: reference.finish(token, now, "results" if outcome == "pointer" else outcome),
            ended,
        )

    def tidy(self, writer: Writer, done: tuple[AfterStep, ...]) -> None:
        outputs = ("gs://results/a.md",) if "publish" in done else ()
        self.begin(
            writer, lambda task: claims.tidy(task, done, outputs), lambda reference: reference.tidy(done), self.leave
        )

    def overdue(self, task: Task) -> bool:
        """As sweep finds it: late, and with nothing on the queue unless its lease ended."""
        moments = [moment for moment in (task.accepted_at, task.dispatch_at, task.lease_until) if moment is not None]
        late = task.open and max(moments) <= self.now - GRACE
        return late and (task.lease_until is not None or task.epoch not in self.queue)

    def settle(self) -> None:
        """Let those at work go on to their end, one after the other, with nothing in their way."""
        while self.writers:
            writer = self.writers[0]
            if writer.change is not None:
                self.answer(writer, lose=False)
            elif writer.token is not None:
                self.finish(writer, "results")
            else:
                self.tidy(writer, writer.stored.task.after)
