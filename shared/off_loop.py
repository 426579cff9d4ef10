"""Run CPU-bound work on answers in threads of its own, so that a long or hostile answer blocks neither the event loop,
which renews leases, nor the threads that read and write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="answers")


async def off_loop(work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
    """Run `work` in a thread and return its result; the event loop keeps running."""
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(_THREADS, lambda: context.run(work, *args, **kwargs))
