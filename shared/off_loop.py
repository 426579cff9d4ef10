"""Work on answers that takes a CPU for more than a moment, in threads of its own: a long answer, or one that was made
to be slow, must hold up neither the event loop, on which leases are renewed, nor the threads that read and write.
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
