"""Remove from the indexes the entries of objects that were deleted or overwritten.

The object's event normally does this within seconds; sweep covers lost events.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from shared.cloud.index_entries import StoredEntry
from shared.cloud.telemetry import log_failure
from shared.dependencies import SweepDeps
from shared.domain.index_entries import LONGEST_REST, SHORTEST_REST, next_check
from shared.stale_entries import is_stale, remove_entry

_PAGE = 100
_AT_ONCE = 10
"""How many objects are checked concurrently."""


async def remove_deleted_objects(deps: SweepDeps, tally: Counter[str], *, stop_at: float, scheduled: bool) -> None:
    """Check the objects of index entries, the longest due first. `stop_at` is in seconds of the clock.

    A sweep by hand also checks objects that are not due.
    """
    before = deps.clock.now() + (timedelta() if scheduled else 2 * LONGEST_REST)
    checked = set[str]()
    while deps.clock.time() < stop_at:
        page = await deps.index_entries.due(before, _PAGE)
        new = [stored for stored in page if stored.entry.key not in checked]
        checked.update(stored.entry.key for stored in new)
        for first in range(0, len(new), _AT_ONCE):
            await asyncio.gather(*(_check(deps, stored, tally) for stored in new[first : first + _AT_ONCE]))
            if deps.clock.time() >= stop_at:
                return
        if len(page) < _PAGE or not new:
            return


async def _check(deps: SweepDeps, stored: StoredEntry, tally: Counter[str]) -> None:
    """Remove the entry if its object is gone. A failed check does not stop the others."""
    entry, now = stored.entry, deps.clock.now()
    if entry.is_held(now):
        return
    rested = next_check(entry.added_at, now)
    try:
        if await is_stale(deps.storage, entry):
            removed = await remove_entry(deps.file_search, deps.index_entries, stored)
            # Not `+=` across the await: concurrent checks change the tally meanwhile.
            tally["index_entries_removed"] += removed
            return
    except Exception as error:
        tally["errors"] += 1
        log_failure("index_entry_not_checked", error, task=entry.task, object=entry.object)
        rested = now + SHORTEST_REST
    await deps.index_entries.put(entry.model_copy(update={"check_at": rested}), stored)
