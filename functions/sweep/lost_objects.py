"""Create the tasks of dropped objects whose event was lost.

Only objects newer than the event horizon, the installation and their inbox get tasks, so old files and files of expired
tasks do not run by themselves. `backfill` creates tasks for all objects, on request.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from functools import partial

from functions.sweep.bucket_scan import Place, ScanState, in_batches, is_task_of, scan_place, source_of, take_all
from shared.cloud.storage import StoredObject
from shared.cloud.telemetry import log
from shared.dependencies import SweepDeps
from shared.domain.models.prices import Tier
from shared.domain.tasks.task import Source, derive_id
from shared.intake import ignore_reason

_KNOWN_INBOXES = "known_inboxes"


async def take_lost_objects(
    deps: SweepDeps, bucket: str, tally: Counter[str], *, stop_at: float, scheduled: bool
) -> None:
    """Create the missing tasks of recent objects of an inbox. `stop_at` is in seconds of the clock."""
    if await _register_inbox(deps, bucket):
        return
    prefixes = deps.settings.inboxes[bucket].prefixes
    place = Place(bucket, bucket, prefixes, find_lost=partial(_without_task, deps), take=deps.intake.take)
    await scan_place(deps, place, tally, stop_at=stop_at, scheduled=scheduled)


async def _register_inbox(deps: SweepDeps, bucket: str) -> bool:
    """Note that the inbox exists; return whether it is new: objects from before it was added get no tasks."""
    note, inboxes = await deps.notes.read(_KNOWN_INBOXES), sorted(deps.settings.inboxes)
    known_inboxes = inboxes if note is None else [name for name in note["names"] if name in inboxes]
    added = bucket not in known_inboxes
    if added:
        now = deps.clock.now()
        seen_until = now - timedelta(seconds=deps.settings.grace_seconds)
        await deps.notes.write(bucket, ScanState(seen_until=seen_until, done_at=now).model_dump())
        known_inboxes = [*known_inboxes, bucket]
        log("INFO", "sweep_met_inbox", f"{bucket} was added: what was there before is left to backfill", bucket=bucket)
    if note is None or known_inboxes != note["names"]:
        await deps.notes.write(_KNOWN_INBOXES, {"names": known_inboxes})
    return added


async def backfill(
    deps: SweepDeps,
    bucket: str,
    prefix: str,
    *,
    after: str,
    dry_run: bool,
    tally: Counter[str],
    stop_at: float,
    tier: Tier = "flex",
) -> str | None:
    """Create tasks for all objects under `prefix`. Return the name to resume after, or None at the end.

    `tier`: the service tier to ask in.
    """
    async for batch in in_batches(deps.storage.listing(bucket, prefix, after=after)):
        tally["objects"] += len(batch)
        tally["bytes"] += sum(stored.size for stored in batch)
        lost = await _without_task(deps, batch)
        tally["without_task"] += len(lost)
        if not dry_run:
            await take_all(deps, lost, partial(deps.intake.take, tier=tier), tally, stop_at=stop_at)
        if deps.clock.time() > stop_at:
            return batch[-1].name
    return None


async def _without_task(deps: SweepDeps, objects: list[StoredObject]) -> list[Source]:
    """Return the objects without a task of their own. A task of another source under the same id does not count."""
    sources = [source for source in map(source_of, objects) if ignore_reason(source, deps.settings) is None]
    ids = {
        derive_id(source.bucket, source.name, source.generation, source.created_at): source for source in sources
    }  # fmt: skip
    tasks = await deps.tasks.get_many(list(ids))
    return [source for task_id, source in ids.items() if not is_task_of(tasks.get(task_id), source)]
