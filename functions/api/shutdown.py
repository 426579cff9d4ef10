"""End open streams when the instance receives SIGTERM, within the 10 seconds that the platform gives.

gunicorn's worker would keep them open until it is killed, and clients would see a broken connection.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


class Shutdown:
    def __init__(self, notify_readers: Callable[[], None]) -> None:
        """`notify_readers` is called in the event loop after SIGTERM."""
        self._notify = notify_readers
        self._watching = False
        self.begun = False

    def watch(self) -> None:
        """Handle SIGTERM in addition to existing handlers. Called on the first request, inside the worker."""
        before = signal.getsignal(signal.SIGTERM)
        if self._watching or threading.current_thread() is not threading.main_thread() or not callable(before):
            return
        self._watching = True
        loop = asyncio.get_running_loop()

        def close(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.begin)
            before(number, frame)

        signal.signal(signal.SIGTERM, close)

    def begin(self) -> None:
        self.begun = True
        self._notify()
