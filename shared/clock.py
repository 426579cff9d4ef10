"""The clock of all functions and stand-ins, which the local system can move forward.

Everything that asks what time it is, or waits, does so through a `Clock`. In the cloud it is the machine's clock. On
one machine the local system can move it: all processes then share a file that holds one number, the seconds by which
their time is ahead of the machine's, so that leases, schedule times and expiry move together.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

_OFFSET = struct.Struct("<d")
_POLL_SECONDS = 0.02


class Clock:
    """UTC time and waiting. `offset_file` names the shared file of a clock that can be moved (see `MovableClock`)."""

    def __init__(self, offset_file: Path | None = None) -> None:
        if offset_file is not None and os.environ.get("K_SERVICE"):
            raise RuntimeError("DROPSIGHT_CLOCK is set, but a clock that can be moved is for the local system only")
        self._offset = _map(offset_file) if offset_file is not None else None

    def time(self) -> float:
        """Seconds since 1970, like `time.time()`."""
        return time.time() + self._ahead()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    async def sleep(self, seconds: float) -> None:
        await self.sleep_until(self.time() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Return once `time()` has reached `moment`, also when the clock is moved meanwhile."""
        while (left := moment - self.time()) > 0:  # noqa: ASYNC110
            # Another process moves the shared clock: no event of ours could tell.
            await asyncio.sleep(left if self._offset is None else min(left, _POLL_SECONDS))

    def _ahead(self) -> float:
        return 0.0 if self._offset is None else float(_OFFSET.unpack_from(self._offset)[0])


class MovableClock(Clock):
    """The local system's end of the shared clock: it may move time forward, never back."""

    def __init__(self, offset_file: Path) -> None:
        if not offset_file.exists():
            offset_file.write_bytes(_OFFSET.pack(0.0))
        super().__init__(offset_file)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"the clock can only be moved forward, not by {seconds} s")
        assert self._offset is not None
        _OFFSET.pack_into(self._offset, 0, self._ahead() + seconds)


def _map(file: Path) -> mmap.mmap:
    with file.open("r+b") as handle:
        return mmap.mmap(handle.fileno(), _OFFSET.size)
