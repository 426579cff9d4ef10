"""Share notes between instances about models that refuse calls for now: `throttle/{model}`.

An instance reads a model's note at most once a second, and knows its own notes at once; so while a note applies, hardly
any call is refused that was not under way already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shared.clock import Clock
from shared.cloud.firestore import Notes
from shared.domain.errors import WaitingReason
from shared.single_flight import SingleFlight

_FRESH_SECONDS = 1.0


@dataclass(frozen=True)
class RefusalNote:
    until: datetime
    reason: WaitingReason
    detail: str


class Throttle:
    def __init__(self, notes: Notes, clock: Clock) -> None:
        self._notes, self._clock = notes, clock
        self._cached: dict[str, tuple[float, RefusalNote | None]] = {}
        self._reads = SingleFlight[RefusalNote | None]()

    async def current_note(self, model: str) -> RefusalNote | None:
        """Return the note that applies to `model`, or None."""
        read_at, note = self._cached.get(model, (0.0, None))
        over = note is None or note.until <= self._clock.now()
        if over and self._clock.time() - read_at >= _FRESH_SECONDS:
            note = await self._reads.run(model, partial(self._read, model))
        return note if note is not None and note.until > self._clock.now() else None

    async def leave_note(self, model: str, note: RefusalNote) -> None:
        """Leave a note, unless an existing one lasts as long: a refusal for a minute must not hide one for a day."""
        _, cached = self._cached.get(model, (0.0, None))
        if cached is None or cached.until < note.until:
            cached = await self._read(model)
        if cached is not None and cached.until >= note.until:
            return
        self._cached[model] = (self._clock.time(), note)
        await self._notes.write(model, {"until": note.until, "reason": note.reason, "detail": note.detail})

    async def _read(self, model: str) -> RefusalNote | None:
        document = await self._notes.read(model)
        note = RefusalNote(document["until"], document["reason"], document["detail"]) if document else None
        self._cached[model] = (self._clock.time(), note)
        return note
