"""A record of every call to the stand-ins, and counters of billed operations."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field

from local.standins.faults import Service

_CALLS_KEPT = 200_000


@dataclass
class Call:
    """One call: an HTTP request (`path` with its query) or an RPC (`method` is its name)."""

    service: Service
    method: str
    path: str
    status: int | str = ""
    """HTTP status, or a gRPC code's name (`OK`, `ABORTED`, …); if a fault ended it, a `wire_tap.Ending`."""
    at: float = 0.0
    """When it arrived, in seconds since 1970 by the local system's clock."""
    bytes: int = 0
    """Bytes of the request's body and the answer's together."""
    notes: dict[str, str] = field(default_factory=dict)
    """What the stand-in noted about it: `task`, `file`, `object`, `model`, …"""


current_call: ContextVar[Call] = ContextVar("current_call")
"""The current call, for stand-ins to add notes: `current_call.get().notes["file"] = …`"""


class Ledger:
    """Calls, oldest first (the newest 200,000), and billing counters: `count("firestore", "reads", 3)`."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self.total_calls = 0
        """The number of calls since the start, including forgotten ones."""
        self._calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self._counters: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def record(self, call: Call) -> None:
        call.at = self._now()
        self.total_calls += 1
        self._calls.append(call)

    def count(self, service: Service, what: str, by: int = 1) -> None:
        self._counters[service][what] += by

    def calls(self, service: str | None = None) -> list[dict[str, object]]:
        records = (asdict(call) for call in self._calls if service in (None, call.service))
        return [{**{key: value for key, value in call.items() if key != "notes"}, **call["notes"]} for call in records]

    def forget(self) -> None:
        self._calls.clear()

    def stats(self) -> dict[str, dict[str, int]]:
        return {service: dict(counter) for service, counter in sorted(self._counters.items())}
