"""A pytest plugin: when a test's time is over, tell where every thread and every asyncio task stands, and fail it.

pytest-timeout keeps the time. Its own report goes to a terminal that a worker of pytest-xdist does not have, and knows
no tasks; here the stacks are a section of the test's report.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import io
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from tests import machine

_AGAIN_SECONDS = 60.0
"""After which the time is over once more: what was told to end may not do so, and the test's fixtures need time."""
_LAST_SECONDS = 180.0
"""After which the process ends, with the threads' stacks: C code that never returns lets no signal through."""


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    if threading.current_thread() is not threading.main_thread():
        return None
    told = False

    def time_is_over(_number: int, frame: FrameType | None) -> None:
        nonlocal told
        message = f"not ended after {settings.timeout:g} s, see the stacks below ({machine.condition()})"
        if not told:
            told = True
            item.add_report_section("call", "stacks when the time was over", stacks(frame))
            if (task := _awaited(frame)) is not None:
                # Raised here, within some callback of the loop, it would end whatever runs just now.
                task.get_loop().call_soon_threadsafe(task.cancel, message)
                return
        pytest.fail(message, pytrace=False)

    def cancel() -> None:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    stderr = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(settings.timeout + _LAST_SECONDS, file=stderr, exit=True)
    signal.signal(signal.SIGALRM, time_is_over)
    signal.setitimer(signal.ITIMER_REAL, settings.timeout, _AGAIN_SECONDS)
    item.cancel_timeout = cancel  # type: ignore[attr-defined]
    return True


def _awaited(frame: FrameType | None) -> asyncio.Task[Any] | None:
    """Return the task that the event loop runs for the test or its fixture, if the thread stands in one at `frame`."""
    while frame is not None:
        future = frame.f_locals.get("future") if frame.f_code.co_name == "run_until_complete" else None
        if isinstance(future, asyncio.Task):
            return future
        frame = frame.f_back
    return None


def stacks(frame: FrameType | None) -> str:
    """Describe where each thread (this one at `frame`) and each asyncio task of any loop stands."""
    text = io.StringIO()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, its_frame in sys._current_frames().items():
        current = frame if ident == threading.get_ident() and frame is not None else its_frame
        text.write(f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(current))}\n")
    for loop in _event_loops():
        for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
            task.print_stack(file=text)
            text.write("\n")
    return text.getvalue()


def _event_loops() -> list[asyncio.AbstractEventLoop]:
    """Find the loops that are not closed, in whichever thread they run: asyncio keeps no list of them."""
    found = (thing for thing in gc.get_objects() if issubclass(type(thing), asyncio.AbstractEventLoop))
    return [loop for loop in found if not loop.is_closed()]
