"""Store a round's answer, which was paid for, before anything else is done with it.

Its place is the results bucket. While Cloud Storage is away, Firestore takes it, so that a later claim finds it all the
same; only where neither can, the claim is held and tries again until its time is up.
"""

from __future__ import annotations

import json
from typing import cast

from functions.generate.lease import Lease
from shared.cloud.telemetry import describe_error, log
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.tasks.task import Task
from shared.off_loop import off_loop

_MAX_IN_FIRESTORE = 900_000
"""Bytes: a document ends at 1 MiB."""
_PAUSE_SECONDS = 5.0
_CLOSED = "-closed"
"""Ends the names of answers that were cut off: they were paid for, but no later claim goes on from them."""


async def store_answer(deps: GenerateDeps, lease: Lease, number: int, record: Json) -> None:
    """Store the record of round `number`; return once it is durable."""
    while not await _store(deps, lease, number, record):
        await deps.clock.sleep(_PAUSE_SECONDS)


async def store_segment(deps: GenerateDeps, lease: Lease, number: int, segment: int, record: Json) -> bool:
    """Store a part of the answer to round `number` that is still coming; return whether it is durable."""
    return await _store(deps, lease, number, record, ending=f"-{segment:04d}")


async def store_closed_answer(deps: GenerateDeps, lease: Lease, number: int, record: Json, *, progress: bool) -> bool:
    """Store what came of round `number` until its stream was closed, in one try; return whether it is durable.

    `progress`: whether a later claim can go on from it.
    """
    return await _store(deps, lease, number, record, ending="" if progress else _CLOSED)


async def has_progressed(deps: GenerateDeps, task: Task, *, claims: int) -> bool:
    """Return whether one of the last `claims` claims before this one has stored anything; nothing of it is read."""
    folder, first = f"tasks/{task.id}/answer-", task.token - claims
    async for stored_file in deps.storage.listing(deps.settings.results_bucket, folder):
        if _is_progress(stored_file.name.removeprefix(folder).removesuffix(".json"), first):
            return True
    return any(_is_progress(name, first) for name in await deps.tasks.answer_names(task.id))


def _is_progress(name: str, first_claim: int) -> bool:
    return int(name[:6]) >= first_claim and not name.endswith(_CLOSED)


async def load_answers(deps: GenerateDeps, task: Task) -> list[Json]:
    """Return the records that earlier claims stored, in the order of claims and rounds."""
    bucket = deps.settings.results_bucket
    records = {record_name: text async for record_name, text in deps.tasks.load_answers(task.id)}
    async for stored_file in deps.storage.listing(bucket, f"tasks/{task.id}/answer-"):
        raw = await deps.storage.read(bucket, stored_file.name)
        if raw is not None:
            records[stored_file.name.rsplit("answer-", 1)[1].removesuffix(".json")] = raw.decode()
    return [cast(Json, await off_loop(json.loads, records[name])) for name in sorted(records)]


def _encoded(record: Json) -> bytes:
    """Return the record as JSON in UTF-8. Lone surrogates stay escaped."""
    try:
        return json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(record).encode()


async def _store(deps: GenerateDeps, lease: Lease, number: int, record: Json, *, ending: str = "") -> bool:
    encoded = await off_loop(_encoded, record)
    name = f"{lease.token:06d}-{number:03d}{ending}"
    return await _in_storage(deps, lease.task, name, encoded) or await _in_firestore(deps, lease.task, name, encoded)


async def _in_storage(deps: GenerateDeps, task: Task, name: str, encoded: bytes) -> bool:
    place = f"tasks/{task.id}/answer-{name}.json"
    try:
        await deps.storage.write(deps.settings.results_bucket, place, encoded, "application/json", only_if_absent=True)
    except Exception as error:  # Whatever it is: an answer that was paid for is not let go.
        log("WARNING", "answer_not_in_storage", describe_error(error), task=task.id)
        return False
    return True


async def _in_firestore(deps: GenerateDeps, task: Task, name: str, encoded: bytes) -> bool:
    if len(encoded) > _MAX_IN_FIRESTORE:
        return False
    try:
        await deps.tasks.store_answer(task, name, encoded.decode())
    except Exception as error:  # Likewise.
        log("WARNING", "answer_not_in_firestore", describe_error(error), task=task.id)
        return False
    return True
