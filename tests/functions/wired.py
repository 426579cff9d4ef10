"""The functions in the test's own process: what they opened is closed, and what they began has come to its end."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import functions_framework.aio
from starlette.types import ASGIApp, Receive, Scope, Send

from local.standins.cloud_tasks import QueueStandIn
from local.standins.gemini import Behaviour, GeminiStandIn
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared import wiring
from shared.answer_judge import AnswerJudge
from shared.clock import MovableClock
from shared.cloud.callbacks import Callbacks
from shared.cloud.events import Events
from shared.cloud.fetch import Web
from shared.cloud.firestore import Tasks
from shared.cloud.gemini import Gemini
from shared.cloud.queue import Dispatches, Queue
from shared.cloud.storage import Storage
from shared.examiner import Examiner
from shared.orphan_files import OrphanFiles
from shared.request_intake import RequestIntake
from shared.sandbox import Sandbox
from shared.splitter import Splitter
from tests.environment import unchanged_environment

ROOT = Path(__file__).parents[2]
_BUILT = (wiring.api, wiring.ingest, wiring.generate, wiring.notify, wiring.sweep)
DEFAULTS: dict[str, Any] = dict.fromkeys(Behaviour.model_fields)
"""What sets every field of the stand-in model's behaviour back."""


class FunctionApp:
    """A function as functions-framework serves it, loaded at its first request: the environment is complete then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            source = str(ROOT / "functions" / self._name / "main.py")
            # It notes the function's name in the environment, for one process serves one function in the cloud.
            with unchanged_environment():
                self._app = functions_framework.aio.create_asgi_app(self._name, source)  # type: ignore[no-untyped-call]
        await self._app(scope, receive, send)


async def unwire() -> None:
    """Close what the functions of this process work with, so that the next test's environment wires them anew."""
    for build in _BUILT:
        if build.cache_info().currsize:
            built: Any = build()
            for field in fields(built):
                await _close(getattr(built, field.name))
    for remembered in _remembered():
        remembered.cache_clear()


def _remembered() -> list[Any]:
    """What the functions' modules build once a process: the wiring, and what holds a part of it."""
    modules = [
        module
        for name, module in sys.modules.items()
        if name == wiring.__name__ or (name.startswith("functions.") and not name.startswith("local"))
    ]
    return [
        thing
        for module in modules
        for thing in vars(module).values()
        if hasattr(thing, "cache_clear") and thing.__module__ == module.__name__
    ]


async def _close(part: Any) -> None:
    if isinstance(part, Tasks):
        client: Any = part.client
        await client._firestore_api.transport.close()
    elif isinstance(part, Dispatches):
        await _close(part._queue)
    elif isinstance(part, Events):
        await part.close()
    elif isinstance(part, Queue):
        queue: Any = part._client
        await queue.transport.close()
    elif isinstance(part, Storage):
        await part.aclose()
    elif isinstance(part, RequestIntake):
        await part._storage.aclose()
    elif isinstance(part, Gemini):
        await part.aclose()
    elif isinstance(part, OrphanFiles):
        await part._gemini.aclose()
    elif isinstance(part, Sandbox):
        await part.close()
    elif isinstance(part, AnswerJudge | Examiner | Splitter):
        await part._sandbox.close()
    elif isinstance(part, Web | Callbacks):
        await _close(part.outbound if isinstance(part, Web) else part._outbound)
        if isinstance(part, Callbacks):
            await _close(part._identity)
    threads = getattr(part, "_threads", None)
    if isinstance(threads, ThreadPoolExecutor):
        threads.shutdown(wait=False, cancel_futures=True)


@dataclass
class Traffic:
    """What is under way between the functions and the stand-ins of one test's system."""

    clock: MovableClock
    tap: Tap
    model: GeminiStandIn
    storage: StorageStandIn
    queue: QueueStandIn

    def under_way(self) -> str:
        """Tell what has not ended; empty when nothing is under way."""
        counts = {
            "events to be delivered": self.storage.pending(),
            "dispatches under way": self.queue.in_flight(),
            "dispatches that are due": int(self.queue.in_flight() == 0 and not self.queue.idle()),
            **{f"requests to {service}": count for service, count in self.tap.in_flight.items()},
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def writes(self) -> tuple[int, int]:
        """Return how many documents were written and deleted so far: while that stays, no task needs another look."""
        counted = self.tap.ledger.stats().get("firestore", {})
        return counted.get("writes", 0), counted.get("deletes", 0)

    def skip_wait(self) -> None:
        """Move the clock to the next dispatch, unless something is under way: who works on a task keeps its lease."""
        due = self.queue.next_due()
        if due is not None and not self.under_way():
            self.clock.advance(due - self.clock.time())

    async def ended(self, seconds: float) -> bool:
        """Return whether everything under way came to its end within so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self.under_way():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    async def leave_nothing_behind(self, seconds: float = 45) -> None:
        """Set everything back for the next test; AssertionError where work is under way that does not end by itself.

        Such work waits for a clock that nobody moves. It is ended all the same: the tests that follow must not
        inherit it.
        """
        self.tap.faults.clear()
        self.model.set_model(DEFAULTS)
        self.queue.lose()
        ended, left = await self.ended(seconds), self.under_way()
        for _ in range(48):
            if not self.under_way():
                break
            self.clock.advance(3600)
            self.queue.lose()
            await self.ended(0.5)
        # What ended last may have put its task off: that dispatch would come in the midst of the next test.
        self.queue.lose()
        assert ended, f"the test left behind: {left}"
        assert self.queue.next_due() is None
        assert self.model.behaviour == Behaviour()
