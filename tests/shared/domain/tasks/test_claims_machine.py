"""Many hands on one task, in any order: stale snapshots, lost answers, pauses, crashes, duplicates. The promises hold.

Every writer goes the way of `Tasks.change`, one call to the store at a time, and between any two calls of one writer
others may come. What each transition makes is compared with a second telling of it (`claims_reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal, assert_never, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.domain.errors import LeaseLost, WaitingReason
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import (
    AfterStep,
    Callback,
    GeminiFile,
    Pointer,
    Source,
    Task,
    TaskError,
    Waiting,
    new_task,
)
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

REASONS: list[WaitingReason] = ["rate_limited", "retrying", "blocked", "time_limit"]

MEANWHILE = [*[None] * 12, "event", "cancel"]

Draw = Callable[[st.SearchStrategy[Any]], Any]
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
        found = yield "read"
        assert found is not None
        if found.task.change == nonce:
            return found
        current = found


@dataclass
class Hand:
    """Somebody at work on the task: what it last read, the claim it believes to hold, its change under way."""

    stored: Stored
    token: int | None = None
    nonce: str = ""
    change: Generator[Call, Answer, Stored] | None = None
    call: Call | None = None
    own_version: int | None = None
    then: Callable[[Hand], None] = field(default=lambda hand: None)


def same_as_told(decide: Decide, expect: Expect) -> Decide:
    """`decide`, held against the reference wherever it is asked."""

    def both(task: Task) -> Task:
        told = expect(Reference.of(task))
        if told is None:
            with pytest.raises(LeaseLost):
                decide(task)
            raise LeaseLost("as told")
        changed = decide(task)
        assert Reference.of(changed) == told
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


class ManyHands(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.hands: list[Hand] = []
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

    def free(self, *, holder: bool) -> list[Hand]:
        """Those that wait for no answer of the store: holders of a claim, or others."""
        return [hand for hand in self.hands if hand.change is None and (hand.token is not None) == holder]

    def busy(self) -> list[Hand]:
        return [hand for hand in self.hands if hand.change is not None]

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

    def begin(self, hand: Hand, decide: Decide, expect: Expect, then: Callable[[Hand], None]) -> None:
        hand.nonce, hand.then, hand.own_version = str(next(self.nonces)), then, None
        hand.change = changing(hand.stored, same_as_told(decide, expect), hand.nonce)
        if hand not in self.hands:
            self.hands.append(hand)
        self.advance_change(hand, lambda change: next(change))
        while self.smooth and hand.change is not None and hand in self.hands:
            self.answer(hand, lose=False)

    def advance_change(self, hand: Hand, go_on: Callable[[Generator[Call, Answer, Stored]], Call]) -> None:
        assert hand.change is not None
        try:
            hand.call = go_on(hand.change)
        except LeaseLost:
            assert hand.own_version != self.stored.version, "it did not know its own commit again"
            hand.token = None
            self.hands.remove(hand)
        except StopIteration as done:
            hand.stored, hand.change, hand.call = cast(Stored, done.value), None, None
            hand.then(hand)

    def answer(self, hand: Hand, lose: bool) -> None:
        """The store takes the hand's call; a commit's answer may be lost on the way."""
        answer: Answer
        match hand.call:
            case "read":
                answer = self.stored
            case Write(task, version):
                answer = None
                if version == self.stored.version:
                    self.applied(hand, task)
                    answer = None if lose else self.stored
            case None:
                raise AssertionError("no call is under way")
            case _:
                assert_never(hand.call)
        self.advance_change(hand, lambda change: change.send(answer))

    def applied(self, hand: Hand, task: Task) -> None:
        before = self.task
        if not before.terminal and hand.token is not None:
            assert before.token == hand.token, "only the holder of the current token changes a live task"
        self.stored = Stored(task, self.stored.version + 1)
        hand.own_version = self.stored.version
        nothing_goes_back(before, task)

    def leave(self, hand: Hand) -> None:
        hand.token = None
        if hand in self.hands:
            self.hands.remove(hand)

    def holder(self, pick: int) -> Hand:
        holders = self.free(holder=True)
        return holders[pick % len(holders)]

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
        acts += [self.crashes] if self.hands else []
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

    def carry(self, epoch: int, refusal_stands: bool) -> None:
        """As generate does."""
        task, now = self.task, self.now
        hand = Hand(self.stored)
        if task.terminal:
            self.hands.append(hand)
        elif claims.leased(task, now):
            assert task.lease_until is not None
            self.comebacks.add(task.lease_until + timedelta(seconds=1))
        elif epoch < task.epoch and task.dispatch_at is not None and task.dispatch_at > now:
            return
        elif task.waiting is not None and refusal_stands:
            self.keep_waiting(hand)
        else:
            self.claim(hand)

    def claim(self, hand: Hand) -> None:
        def claimed(hand: Hand) -> None:
            hand.token = hand.stored.task.token

        self.begin(
            hand,
            lambda task: claims.claim(task, now=self.now, lease=LEASE),
            lambda told: told.claim(self.now, self.now + LEASE),
            claimed,
        )

    def keep_waiting(self, hand: Hand) -> None:
        epoch, now, until = hand.stored.task.epoch, self.now, self.now + timedelta(seconds=45)
        self.put(epoch + 1, until)

        def mine(task: Task | Reference, over: bool) -> bool:
            return task.epoch == epoch and not over and not (task.lease_until is not None and task.lease_until > now)

        self.begin(
            hand,
            lambda task: (
                claims.keep_waiting(task, now=now, until=until, reason="rate_limited")
                if mine(task, task.terminal)
                else task
            ),
            lambda told: told.wait(until, "rate_limited") if mine(told, told.over) else told,
            self.leave,
        )

    def cancel(self) -> None:
        now = self.now
        self.begin(
            Hand(self.stored), lambda task: claims.cancel(task, now=now), lambda told: told.cancel(now), self.leave
        )

    def swept(self, pick: int, draw: Draw) -> None:
        self.redrive(Hand(self.stored))

    def overdue(self, task: Task) -> bool:
        """As sweep finds it: late, and with nothing on the queue unless its lease ended."""
        moments = [each for each in (task.accepted_at, task.dispatch_at, task.lease_until) if each is not None]
        late = task.open and max(moments) <= self.now - GRACE
        return late and (task.lease_until is not None or task.epoch not in self.queue)

    def redrive(self, hand: Hand) -> None:
        epoch, now = hand.stored.task.epoch, self.now

        def dispatch(hand: Hand) -> None:
            self.put(hand.stored.task.epoch, now)
            self.leave(hand)

        self.begin(
            hand,
            lambda task: claims.redispatch(task, at=now) if task.epoch == epoch else task,
            lambda told: told.redispatch(now) if told.epoch == epoch else told,
            dispatch,
        )

    def callback_noted(self, pick: int, draw: Draw) -> None:
        self.note_callback(draw(st.sampled_from(["delivered", "refused"])))

    def note_callback(self, state: str) -> None:
        assert self.task.callback is not None
        told = self.task.callback.model_copy(update={"state": state})
        self.begin(Hand(self.stored), lambda task: claims.called_back(task, told), lambda told: told, self.leave)

    # What the store does with what is under way

    def store_answers(self, pick: int, draw: Draw) -> None:
        busy = self.busy()
        self.answer(busy[pick % len(busy)], lose=draw(st.booleans()))

    def crashes(self, pick: int, draw: Draw) -> None:
        if draw(st.sampled_from([False, False, True])):
            self.leave(self.hands[pick % len(self.hands)])

    # What a holder does

    def renews(self, pick: int, draw: Draw) -> None:
        hand = self.holder(pick)
        token, now = cast(int, hand.token), self.now
        progress = draw(st.integers(0, 200))
        files = (FILE,) if draw(st.booleans()) else hand.stored.task.files
        self.begin(
            hand,
            lambda task: claims.renew(task, token, now=now, lease=LEASE, progress=progress, files=files),
            lambda told: told.renew(token, now + LEASE, progress, len(files)),
            lambda hand: None,
        )

    def puts_off(self, pick: int, draw: Draw) -> None:
        hand = self.holder(pick)
        reason: WaitingReason = draw(st.sampled_from(REASONS))
        token, now = cast(int, hand.token), self.now
        until = now + timedelta(seconds=draw(st.sampled_from([0, 7, 3600])))
        counted: claims.Counted | None = draw(st.sampled_from(["attempt", "outage"])) if reason == "retrying" else None
        self.put(hand.stored.task.epoch + 1, until)
        self.begin(
            hand,
            lambda task: claims.put_off(task, token, now=now, until=until, reason=reason, counted=counted),
            lambda told: told.put_off(token, until, reason, counted),
            self.leave,
        )

    def finishes(self, pick: int, draw: Draw) -> None:
        self.finish(self.holder(pick), draw(st.sampled_from(sorted(OUTCOMES))))

    def finish(self, hand: Hand, outcome: str) -> None:
        token, now = cast(int, hand.token), self.now

        def ended(hand: Hand) -> None:
            hand.token = None

        self.begin(
            hand,
            lambda task: claims.finish(task, token, OUTCOMES[outcome], now=now),
            lambda told: told.finish(token, now, "results" if outcome == "pointer" else outcome),
            ended,
        )

    def tidies(self, pick: int, draw: Draw) -> None:
        others = self.free(holder=False)
        hand = others[pick % len(others)]
        self.tidy(hand, tuple(step for step in hand.stored.task.after if draw(st.booleans())))

    def tidy(self, hand: Hand, done: tuple[AfterStep, ...]) -> None:
        outputs = ("gs://results/a.md",) if "publish" in done else ()
        self.begin(hand, lambda task: claims.tidy(task, done, outputs), lambda told: told.tidy(done), self.leave)

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
        tokens = [hand.token for hand in self.hands if hand.token is not None]
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
        self.hands.clear()
        self.smooth = True
        rounds = 0
        while self.task.open:
            rounds += 1
            assert rounds < 6, "the task never ends"
            self.now += timedelta(hours=3)
            if self.overdue(self.task):
                self.redrive(Hand(self.stored))
                self.settle()
            for epoch in sorted(self.queue):
                self.carry(epoch, refusal_stands=False)
                self.settle()
                self.answered(epoch)
            if self.task.open and self.task.terminal and not self.task.after:
                self.note_callback("delivered")
                self.settle()
        self.the_document_says_what_it_must()

    def settle(self) -> None:
        """Let those at work go on to their end, one after the other, with nothing in their way."""
        while self.hands:
            hand = self.hands[0]
            if hand.change is not None:
                self.answer(hand, lose=False)
            elif hand.token is not None:
                self.finish(hand, "results")
            else:
                self.tidy(hand, hand.stored.task.after)


ManyHands.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, derandomize=True, database=None
)
TestManyHandsOnOneTask = ManyHands.TestCase
