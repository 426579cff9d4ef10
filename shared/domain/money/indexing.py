"""What it costs to add a file to an index: the tokens that are embedded, once. Keeping and searching them is free.

File Search does not say how many it embedded, so they are estimated.
"""

from __future__ import annotations

from decimal import Decimal
from typing import cast

from shared.domain.answer.response import Json
from shared.domain.money.calls import as_dollars, in_pico
from shared.domain.money.totals import Counters, Labels, labels_of
from shared.domain.tasks.task import Task

EMBEDDING_MODEL = "gemini-embedding-001"
"""What a File Search store embeds with unless its maker says otherwise (its guide)."""
_PRICE = Decimal("0.15") / 1_000_000
"""US dollars a token: Google's announcement of File Search, November 2025; the guide refers to the model's price."""


def cost_of_indexing(tokens: int) -> Decimal:
    """Return US dollars."""
    return tokens * _PRICE


def cost_of_ended(task: Task) -> Decimal:
    """Return what an ended task cost in US dollars; 0 if that is not known."""
    cost = (task.usage or {}).get("cost")
    return Decimal(cost) if isinstance(cost, str) else Decimal(0)


def with_indexing(task: Task, tokens: int) -> Task:
    """Return the ended task with what adding it to its index cost."""
    if task.usage is None or not tokens:
        return task
    cost, before = cost_of_indexing(tokens), task.usage.get("cost")
    entry: Json = {"model": EMBEDDING_MODEL, "estimated_tokens": tokens, "cost": as_dollars(cost)}
    whole = as_dollars(cost_of_ended(task) + cost) if isinstance(before, str) else before
    return task.model_copy(update={"usage": {**task.usage, "indexing": entry, "cost": whole}})


def row_of_indexing(task: Task, tokens: int) -> dict[Labels, Counters]:
    """Return what adding a task to its index adds to the counters."""
    counters = Counters(prompt_tokens=tokens, picodollars=in_pico(cost_of_indexing(tokens)))
    return {labels_of(task, EMBEDDING_MODEL): counters}


def tokens_of_file(task: Task) -> int:
    """Return about how many tokens the task's file has: those of the prompt that had it."""
    rounds = (task.usage or {}).get("rounds")
    first = cast(Json, rounds[0]) if isinstance(rounds, list) and rounds else {}
    tokens = first.get("prompt_tokens")
    return tokens if isinstance(tokens, int) else 0
