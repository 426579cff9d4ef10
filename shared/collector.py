"""Keep Python's garbage collector out of a function's start, and what is imported out of each collection.

Importing this module pauses the collector, so each function's main.py imports it before anything else. What is
imported stays: going through it again and again while it grows takes a fifth of the CPU time of a cold start, and each
full collection afterwards would stop the event loop for some 90 ms.
"""

from __future__ import annotations

import gc

gc.disable()


def resume() -> None:
    """Set aside all that exists, so that no collection looks at it, and collect garbage from now on."""
    gc.freeze()
    gc.enable()
