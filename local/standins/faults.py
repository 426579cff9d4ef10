"""Faults planted between clients and stand-ins: an error, a delay, a dropped or cut connection, a kill."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Service = Literal["gemini", "storage", "firestore", "queue", "pubsub", "metadata"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: object) -> object:
    """Parse `"500ms"`, `"2s"`, `"1m30s"`, `"6h"` into seconds; numbers pass unchanged.

    Raises ValueError for other text.
    """
    if not isinstance(value, str):
        return value
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is not a duration such as 500ms, 2s, 1m30s or 6h")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0)]


class Fault(BaseModel):
    """A planted fault. The first of its effects that applies ends the call; `delay` combines with the others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Service
    match: str = ""
    """A substring of `METHOD path?query`, or of the RPC's name; empty matches every call."""
    times: int | None = Field(default=None, ge=1)
    """The number of calls that it hits; None: until it is cleared."""
    skip: int = Field(default=0, ge=0)
    """The number of matching calls that pass unharmed before it begins."""
    every: int = Field(default=1, ge=1)
    """After those, each how many-th call it hits: 3 for every third."""
    status: int | None = Field(default=None, ge=400, le=599)
    retry_delay: Duration | None = None
    """Sent as google.rpc.RetryInfo beside `status`."""
    delay: Duration = 0.0
    drop: bool | Literal["before", "after"] = False
    """Close the connection without an answer: before the call takes effect (True), or after it took effect."""
    cut_after: int | None = Field(default=None, ge=0)
    """End a streamed answer after this many chunks by closing the connection."""
    kill: Literal["before", "after"] | None = None
    """End the calling function's worker with SIGKILL before the call takes effect, or after it, unanswered."""


class FaultBook:
    """The faults in force. `take` hands out the first that matches a call and counts it down."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, int | None]] = []
        self._to_skip: dict[int, int] = {}

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self._faults.append((fault, fault.times))
            self._to_skip[id(fault)] = fault.skip + fault.every - 1

    def clear(self) -> None:
        self._faults.clear()
        self._to_skip.clear()

    def take(self, service: Service, label: str) -> Fault | None:
        for index, (fault, left) in enumerate(self._faults):
            if fault.service == service and fault.match in label:
                if self._to_skip.get(id(fault), 0) > 0:
                    self._to_skip[id(fault)] -= 1
                    continue
                self._to_skip[id(fault)] = fault.every - 1
                if left == 1:
                    del self._faults[index]
                elif left is not None:
                    self._faults[index] = (fault, left - 1)
                return fault
        return None

    def listing(self) -> list[dict[str, object]]:
        return [{**fault.model_dump(exclude_defaults=True), "left": left} for fault, left in self._faults]
