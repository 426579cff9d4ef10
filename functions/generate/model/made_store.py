"""Store the sound, pictures or vectors of an answer before its record, which then names them.

    tasks/{id}/made-{claim}-{round}-{piece}     the bytes as they came, in the results bucket

They are too large for Firestore, so the claim waits for Cloud Storage.
"""

from __future__ import annotations

from functions.generate.lease import Lease
from shared.cloud.telemetry import describe_error, log
from shared.dependencies import GenerateDeps
from shared.domain.answer.made import CannotBeKept, StoredPiece, take_out, unusable, with_stored
from shared.domain.answer.response import Json, candidates
from shared.off_loop import off_loop

_PAUSE_SECONDS = 5.0


async def store_pieces(deps: GenerateDeps, lease: Lease, number: int, response: Json) -> Json:
    """Return the response of round `number` with the names of what was stored of it.

    It was paid for: where it cannot be kept, it says why instead, and is not asked for again.
    """
    if not candidates(response):
        return response
    try:
        pieces = await off_loop(take_out, response)
    except CannotBeKept as error:
        return unusable(response, str(error))
    stored: list[StoredPiece] = []
    for index, piece in enumerate(pieces):
        name = f"tasks/{lease.task.id}/made-{lease.token:06d}-{number:03d}-{index:03d}"
        while not await _store(deps, lease, name, piece.data, piece.mime_type):
            await deps.clock.sleep(_PAUSE_SECONDS)
        stored.append(StoredPiece(name, piece.mime_type, len(piece.data)))
    return with_stored(response, stored)


async def _store(deps: GenerateDeps, lease: Lease, name: str, data: bytes, mime_type: str) -> bool:
    try:
        await deps.storage.write(deps.settings.results_bucket, name, data, mime_type, only_if_absent=True)
    except Exception as error:  # Whatever it is: an answer that was paid for is not let go.
        log("WARNING", "made_not_in_storage", describe_error(error), task=lease.task.id)
        return False
    return True
