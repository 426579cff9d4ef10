"""What calls under way may still cost: `reservations/{day}`, one entry for each task that is near a budget.

A reservation ends in the commit that ends its task or puts it off; that of an import into an index also if the import
fails or waits. One whose holder died holds until its task is taken over, since what it stands for may have been spent;
none holds longer than its day.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from google.api_core import exceptions as api_errors
from google.cloud import firestore
from google.cloud.firestore_v1.field_path import FieldPath

_COLLECTION = "reservations"
_MAX_TRIES = 12
_KEPT = timedelta(days=3)


@dataclass(frozen=True)
class Reservation:
    owner: str
    picodollars: int
    until: datetime


class TooManyAtOnce(Exception):
    """Others changed the reservations at every try, or their document is full."""


Grant = Callable[[dict[str, Reservation]], Awaitable[Reservation | None]]
"""Given the other reservations that still hold, returns the one to make, or None."""


class Reservations:
    def __init__(self, client: firestore.AsyncClient) -> None:
        self._client = client
        self._collection = client.collection(_COLLECTION)

    async def change(self, day: date, task_key: str, now: datetime, grant: Grant) -> bool:
        """Set the task's reservation to what `grant` returns; return False if that is None.

        `grant` is called again if another writer came first. Raises `TooManyAtOnce`.
        """
        reference = self._collection.document(day.isoformat())
        for tries in range(1, _MAX_TRIES + 1):
            snapshot = await reference.get()
            others = {key: reservation for key, reservation in _held(snapshot, now).items() if key != task_key}
            wanted = await grant(others)
            if wanted is None:
                return False
            entries = {key: vars(reservation) for key, reservation in {**others, task_key: wanted}.items()}
            document = {"held": entries, "expires_at": now + _KEPT}
            try:
                if snapshot.exists:
                    option = self._client.write_option(last_update_time=snapshot.update_time)
                    await reference.update(document, option=option)
                else:
                    await reference.create(document)
            except (api_errors.Conflict, api_errors.FailedPrecondition, api_errors.Aborted, api_errors.NotFound):
                await asyncio.sleep(random.uniform(0, min(1, 0.02 * 2**tries)))  # noqa: S311
            except api_errors.InvalidArgument as error:  # A document takes 1 MiB.
                raise TooManyAtOnce from error
            else:
                return True
        raise TooManyAtOnce

    async def held(self, day: date, now: datetime) -> dict[str, Reservation]:
        """Return the reservations of this day that still hold, by the tasks' keys."""
        return _held(await self._collection.document(day.isoformat()).get(), now)

    async def is_held(self, day: date, task_key: str) -> bool:
        """Return whether the task has a reservation of this day, whichever claim made it."""
        path = FieldPath("held", task_key).to_api_repr()
        snapshot = await self._collection.document(day.isoformat()).get([path])
        return bool((snapshot.to_dict() or {}).get("held"))

    def settle(self, batch: firestore.AsyncWriteBatch, day: date, task_key: str) -> None:
        """Add to a batch that the task's reservation ends."""
        batch.set(self._collection.document(day.isoformat()), {"held": {task_key: firestore.DELETE_FIELD}}, merge=True)


def _held(snapshot: firestore.DocumentSnapshot[Any], now: datetime) -> dict[str, Reservation]:
    stored: dict[str, Any] = (snapshot.to_dict() or {}) if snapshot.exists else {}
    held = {key: Reservation(**entry) for key, entry in stored.get("held", {}).items()}
    return {key: reservation for key, reservation in held.items() if reservation.until > now}
