"""Remove the index entries of files that were deleted or overwritten."""

from __future__ import annotations

from shared.cloud.file_search import FileSearch
from shared.cloud.index_entries import IndexEntries, StoredEntry
from shared.cloud.storage import Storage
from shared.cloud.telemetry import log
from shared.domain.index_entries import Entry


async def is_stale(storage: Storage, entry: Entry) -> bool:
    """Return whether the entry's object is gone, or has another generation."""
    bucket, _, name = entry.object.removeprefix("gs://").partition("/")
    live = await storage.stat(bucket, name)
    return live is None or live.generation != entry.generation


async def remove_entry(file_search: FileSearch, index_entries: IndexEntries, stored: StoredEntry) -> bool:
    """Delete an entry's documents, then the entry, so that an interrupted deletion is found again.

    Return False if the entry has changed meanwhile; it is then kept.
    """
    entry = stored.entry
    left = await file_search.documents_of(entry.store, entry.key) if entry.holder else entry.documents
    for document in left:
        await file_search.delete_document(document)
    if not await index_entries.remove(stored):
        return False
    log("INFO", "index_entry_removed", f"{entry.object} is gone from the index {entry.index}", task=entry.task)
    return True
