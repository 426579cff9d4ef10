"""Remove a deleted file from an index, when ingest dispatches it. Sweep removes files that are missed here."""

from __future__ import annotations

from shared.cloud.telemetry import log
from shared.dependencies import GenerateDeps
from shared.domain.errors import PermanentFailure, TaskFailure
from shared.stale_entries import is_stale, remove_entry


async def remove_deleted_object(deps: GenerateDeps, key: str) -> bool:
    """Remove the entry of this key if its object is gone. Return False if Cloud Tasks should try again."""
    stored = await deps.index_entries.get(key)
    if stored is None or stored.entry.is_held(deps.clock.now()):
        return True
    try:
        if await is_stale(deps.storage, stored.entry):
            await remove_entry(deps.file_search, deps.index_entries, stored)
    except TaskFailure as failure:
        log("WARNING", "index_entry_not_removed", failure.summary, object=stored.entry.object)
        return isinstance(failure, PermanentFailure)
    return True
