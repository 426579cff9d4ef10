"""Share notes between instances about models that refuse calls for now: `throttle/{model}`.

A note is read at most once a second by an instance, and known at once where it was written; so while it holds, no more
calls meet the refusal than were under way when it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.clock import Clock
from shared.cloud.firestore import Notes
from shared.domain.errors import WaitingReason

_FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class Note:
    until: datetime
    reason: WaitingReason
    detail: str


class Throttle:
    def __init__(self, notes: Notes, clock: Clock) -> None:
        self._notes, self._clock = notes, clock
        self._known: dict[str, tuple[float, Note | None]] = {}

    async def standing(self, model: str) -> Note | None:
        """Return the note that applies to `model`, or None."""
        read_at, note = self._known.get(model, (0.0, None))
        over = note is None or note.until <= self._clock.now()
        if over and self._clock.time() - read_at >= _FRESH_SECONDS:
            note = await self._read(model)
        return note if note is not None and note.until > self._clock.now() else None

    async def warn(self, model: str, note: Note) -> None:
        """Leave a note, unless an existing one lasts as long: a refusal for a minute must not hide one for a day."""
        _, known = self._known.get(model, (0.0, None))
        if known is None or known.until < note.until:
            known = await self._read(model)
        if known is not None and known.until >= note.until:
            return
        self._known[model] = (self._clock.time(), note)
        await self._notes.write(model, {"until": note.until, "reason": note.reason, "detail": note.detail})

    async def _read(self, model: str) -> Note | None:
        found = await self._notes.read(model)
        note = Note(found["until"], found["reason"], found["detail"]) if found else None
        self._known[model] = (self._clock.time(), note)
        return note
