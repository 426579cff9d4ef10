"""Share between instances what stops calls for now, in the document `throttle/state`.

    models     notes about models that refuse calls, by the model's name
    breakers   models that failed again and again; see `shared.breaker`
    paused     what the operator paused: owners of tasks, such as `inbox:name`, or `*` for the whole system

An instance reads the document at most once a second, and knows its own notes at once; so while a note applies, hardly
any call is refused that was not under way already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shared.clock import Clock
from shared.cloud.notes import Notes
from shared.domain.errors import WaitingReason
from shared.single_flight import SingleFlight

EVERYTHING = "*"
_STATE = "state"
_FRESH_SECONDS = 1.0
_PAUSE_FRESH_SECONDS = 10.0
"""How long it may take until all instances know of a pause."""


@dataclass(frozen=True)
class RefusalNote:
    until: datetime
    reason: WaitingReason
    detail: str


@dataclass(frozen=True)
class Pause:
    """The pause of an owner: when it began and who set it."""

    since: datetime
    by: str


@dataclass(frozen=True)
class OpenBreaker:
    """A model that failed repeatedly, and how many trial calls have failed since."""

    opened_at: datetime
    until: datetime
    detail: str
    probes: int = 0


class Throttle:
    def __init__(self, notes: Notes, clock: Clock) -> None:
        self._notes, self._clock = notes, clock
        self._read_at = 0.0
        self._reads = SingleFlight[None]()
        self._writes = 0
        """Number of writes by this instance. A read that began before a write is not used after it."""
        self._models: dict[str, RefusalNote] = {}
        self._paused: dict[str, Pause] = {}
        self._breakers: dict[str, OpenBreaker] = {}

    async def current_note(self, model: str) -> RefusalNote | None:
        """Return the note that applies to `model`, or None."""
        if not self._holds(self._models.get(model)):
            await self._read(_FRESH_SECONDS)
        note = self._models.get(model)
        return note if self._holds(note) else None

    async def leave_note(self, model: str, note: RefusalNote) -> None:
        """Store a note, unless an existing one lasts as long: a refusal for a minute must not replace one for a day."""
        cached = self._models.get(model)
        if cached is None or cached.until < note.until:
            await self._read(0)
            cached = self._models.get(model)
        if cached is not None and cached.until >= note.until:
            return
        self._models[model] = note
        await self._merge({"models": {model: asdict(note)}})

    async def pause_of(self, owner: str) -> Pause | None:
        """Return the pause that holds for tasks of `owner`, or None. A pause that has ended is never returned."""
        await self._read(_PAUSE_FRESH_SECONDS)
        if self._cached_pause(owner) is None:
            return None
        # Those that `resume` wakes come at once, and would wait a minute more.
        await self._read(0)
        return self._cached_pause(owner)

    def _cached_pause(self, owner: str) -> Pause | None:
        return self._paused.get(EVERYTHING) or self._paused.get(owner)

    async def set_pause(self, owner: str, pause: Pause | None) -> None:
        """Pause tasks of `owner` (`EVERYTHING`: all), or, with None, let them go on."""
        await self._merge({"paused": {owner: asdict(pause) if pause else None}})
        self._read_at = 0.0

    async def breaker_of(self, model: str) -> OpenBreaker | None:
        await self._read(_FRESH_SECONDS)
        return self._breakers.get(model)

    def knows_breaker(self, model: str) -> bool:
        """Return whether the model's breaker was open when the state was last read."""
        return model in self._breakers

    async def set_breaker(self, model: str, breaker: OpenBreaker | None) -> None:
        """Open or close the breaker of a model."""
        if breaker is None:
            self._breakers.pop(model, None)
        else:
            self._breakers[model] = breaker
        await self._merge({"breakers": {model: asdict(breaker) if breaker else None}})

    async def state(self) -> tuple[dict[str, RefusalNote], dict[str, Pause], dict[str, OpenBreaker]]:
        """Return the notes in force, the pauses, and the open breakers."""
        await self._read(_FRESH_SECONDS)
        held = {model: note for model, note in self._models.items() if self._holds(note)}
        return held, dict(self._paused), dict(self._breakers)

    def _holds(self, note: RefusalNote | None) -> bool:
        return note is not None and note.until > self._clock.now()

    async def _read(self, fresh: float) -> None:
        if self._clock.time() - self._read_at >= fresh:
            await self._reads.run(self._writes, self._refresh)

    async def _merge(self, fields: dict[str, Any]) -> None:
        await self._notes.merge(_STATE, fields)
        self._writes += 1

    async def _refresh(self) -> None:
        document = await self._notes.read(_STATE) or {}
        self._read_at = self._clock.time()
        self._models = {name: RefusalNote(**entry) for name, entry in _entries(document, "models")}
        self._paused = {name: Pause(**entry) for name, entry in _entries(document, "paused")}
        self._breakers = {name: OpenBreaker(**entry) for name, entry in _entries(document, "breakers")}


def _entries(document: Mapping[str, Any], field: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, entry) for name, entry in (document.get(field) or {}).items() if entry]
