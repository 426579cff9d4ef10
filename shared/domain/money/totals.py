"""What tasks used and cost together: rows of counters, by day, owner, folder, recipe and model.

Amounts are kept in picodollars (10^-12 US dollars): whole numbers, so that counters add up exactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Literal, NamedTuple, cast, get_args

from shared.domain.answer.response import Json
from shared.domain.money.calls import PICO, Call, Tokens, as_dollars, in_pico
from shared.domain.money.ledger import LostCalls
from shared.domain.money.storage import known_storage
from shared.domain.tasks.task import Task

Group = Literal["day", "key", "inbox", "prefix", "recipe", "model"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Counters:
    tasks: int = 0
    failed: int = 0
    calls: int = 0
    unpriced_calls: int = 0
    lost_calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0
    thinking_tokens: int = 0
    picodollars: int = 0
    assumed_picodollars: int = 0
    """The assumed cost of calls without a known price, and of lost calls; `picodollars` does not include it."""
    waiting_picodollars: int = 0
    """For budgets only: the cost of tasks that have not ended. Their end takes it off again."""

    def __add__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, field.name) - getattr(other, field.name) for field in fields(self)))


class Labels(NamedTuple):
    """The tasks that a row counts."""

    owner: str
    prefix: str
    """`gs://bucket/folder/`, the first folder of a dropped object; empty for a request."""
    recipe: str
    model: str

    @property
    def row(self) -> str:
        """Return the row's name in a document of counters."""
        return "r" + hashlib.sha256("\0".join(self).encode()).hexdigest()[:20]


class DayRow(NamedTuple):
    day: str
    labels: Labels
    counters: Counters


def rows_of(task: Task, calls: Sequence[Call]) -> dict[Labels, Counters]:
    """Return the additions of an ended task to the counters: the task and the storage of its context caches in the row
    of the model that ended it, each call in the row of the model that answered, and lost calls as `_row_of_lost` does.
    """
    rows = rows_of_calls(task, calls)
    own = labels_of(task, calls[-1].answered if calls else task.model)
    storage = in_pico(known_storage(task.ledger.storages))
    ended = Counters(
        tasks=1,
        failed=int(task.error is not None),
        picodollars=storage,
        waiting_picodollars=-task.ledger.counted,
    )
    return _sum(rows, {own: ended}, _row_of_lost(task, task.ledger.lost))


def _row_of_lost(task: Task, lost: LostCalls) -> dict[Labels, Counters]:
    """Return the row of lost calls: of the model that the task asks, since the one that answered is not known.

    It is the same for a correction, whichever answers came in between.
    """
    if not lost.calls and not lost.picodollars:
        return {}
    return {labels_of(task, task.model): Counters(lost_calls=lost.calls, assumed_picodollars=lost.picodollars)}


def _sum(*added: Mapping[Labels, Counters]) -> dict[Labels, Counters]:
    rows: dict[Labels, Counters] = {}
    for labels, counters in (item for more in added for item in more.items()):
        rows[labels] = rows.get(labels, Counters()) + counters
    return rows


def rows_of_waiting(task: Task, picodollars: int) -> dict[Labels, Counters]:
    """Return what the calls of a task that is put off add to the counters of budgets."""
    return {labels_of(task, task.model): Counters(waiting_picodollars=picodollars)}


def rows_of_calls(task: Task, calls: Sequence[Call]) -> dict[Labels, Counters]:
    """Return the additions of these calls of a task to the counters."""
    rows: dict[Labels, Counters] = {}
    for call in calls:
        labels = labels_of(task, call.answered)
        rows[labels] = rows.get(labels, Counters()) + _counters(call)
    return rows


def rows_of_late_calls(
    task: Task, calls: Sequence[Call], parts: Sequence[Json], lost: LostCalls
) -> dict[Labels, Counters]:
    """Return what these calls add to the counters, with lost ones.

    `parts`: the rounds of the usage that count a part of them.
    """
    rows = _sum(rows_of_calls(task, calls), _row_of_lost(task, lost))
    for part in parts:
        labels = labels_of(task, str(part["model"]))
        rows[labels] = rows.get(labels, Counters()) - _counters_of_round(part)
    return rows


def labels_of(task: Task, model: str) -> Labels:
    return Labels(task.owner, _prefix(task), task.ran.recipe if task.ran else "", model)


def _counters(call: Call) -> Counters:
    cost, tokens = call.cost, call.tokens
    return Counters(
        calls=1,
        unpriced_calls=int(cost is None),
        prompt_tokens=tokens.input,
        cached_tokens=sum(tokens.cached.values()),
        answer_tokens=sum(tokens.answer.values()),
        thinking_tokens=tokens.thinking,
        picodollars=in_pico(cost) if cost is not None else 0,
        assumed_picodollars=in_pico(assumed_cost(tokens)) if cost is None else 0,
    )


def _counters_of_round(shown: Json) -> Counters:
    """Return what a call has added to the counters, by its round in a task's usage."""
    cost = shown["cost"]
    prompt, cached, answer, thinking = (
        cast(int, shown[f"{name}_tokens"]) for name in ("prompt", "cached", "answer", "thinking")
    )
    assumed = assumed_cost(Tokens({"text": prompt}, answer={"text": answer}, thinking=thinking))
    return Counters(
        calls=1,
        unpriced_calls=int(cost is None),
        prompt_tokens=prompt,
        cached_tokens=cached,
        answer_tokens=answer,
        thinking_tokens=thinking,
        picodollars=in_pico(Decimal(str(cost))) if cost is not None else 0,
        assumed_picodollars=in_pico(assumed) if cost is None else 0,
    )


ASSUMED_INPUT, ASSUMED_OUTPUT, ASSUMED_MADE = Decimal("7.2"), Decimal(36), Decimal(120)
"""US dollars for a million tokens: the dearest of the catalogue, in any tier; the last for sound and pictures."""


def assumed_cost(tokens: Tokens) -> Decimal:
    """Return the cost that budgets assume for tokens without a known price. It is meant to be too high."""
    made = sum(count for modality, count in tokens.answer.items() if modality != "text")
    words = tokens.output - made
    return (tokens.input * ASSUMED_INPUT + words * ASSUMED_OUTPUT + made * ASSUMED_MADE) / 1_000_000


def spent_by_scope(rows: Iterable[DayRow]) -> dict[str, int]:
    """Return the picodollars spent by each owner, and by all under the empty name."""
    spent: dict[str, int] = {"": 0}
    for row in rows:
        counters = row.counters
        amount = counters.picodollars + counters.assumed_picodollars + counters.waiting_picodollars
        spent[""] += amount
        spent[row.labels.owner] = spent.get(row.labels.owner, 0) + amount
    return spent


def grouped(rows: Iterable[DayRow], groups: Sequence[Group]) -> list[Json]:
    """Return the sums of the rows by `groups`, in their order. Tasks that have not ended make no row."""
    sums: dict[tuple[str, ...], Counters] = {}
    for row in rows:
        key = tuple(_label(row, group) for group in groups)
        sums[key] = sums.get(key, Counters()) + row.counters
    return [
        {**dict(zip(groups, key, strict=True)), **as_public(sums[key])}
        for key in sorted(sums)
        if sums[key] != Counters(waiting_picodollars=sums[key].waiting_picodollars)
    ]


def as_public(counters: Counters) -> Json:
    """Return the counters with their costs in US dollars; `cost` is None if no call had a known price."""
    shown: dict[str, int] = asdict(counters)
    cost, assumed, _ = (_dollars(shown.pop(f"{kind}picodollars")) for kind in ("", "assumed_", "waiting_"))
    unknown = counters.calls > 0 and counters.calls == counters.unpriced_calls
    return {**shown, "cost": None if unknown else cost, "assumed_cost": assumed}


def _dollars(picodollars: int) -> str:
    return as_dollars(Decimal(picodollars) / PICO)


def counters_from(stored: Mapping[str, object]) -> Counters:
    """Return the counters of a stored row. Missing ones are 0."""
    values = {field.name: stored.get(field.name, 0) for field in fields(Counters)}
    return Counters(**{name: value for name, value in values.items() if isinstance(value, int)})


def _label(row: DayRow, group: Group) -> str:
    kind, _, name = row.labels.owner.partition(":")
    match group:
        case "day":
            return row.day
        case "key" | "inbox":
            return name if kind == group else ""
        case "prefix":
            return row.labels.prefix
        case "recipe":
            return row.labels.recipe
        case "model":
            return row.labels.model


def _prefix(task: Task) -> str:
    if task.source.kind != "object":
        return ""
    folder, slash, _ = task.source.name.partition("/")
    return f"gs://{task.source.bucket}/" + (f"{folder}/" if slash and folder else "")
