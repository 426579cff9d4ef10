"""ingest: create and dispatch the task of a new object; enqueue the removal of a deleted object from indexes.

Repeated deliveries are harmless: the task's id and the dispatch's name are derived from the object. Malformed and
unwanted events are dropped; any other failure answers 500, so that Eventarc delivers the event again.
"""

from __future__ import annotations

from shared import collector  # isort: split

from datetime import datetime

import functions_framework.aio
from cloudevents.http.event import CloudEvent
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from shared import wiring
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import span
from shared.dependencies import IngestDeps
from shared.domain.tasks.task import Source
from shared.intake import ignore_reason
from shared.settings import IngestSettings, refuse_misconfiguration

_DELETED = "google.cloud.storage.object.v1.deleted"

collector.resume()
refuse_misconfiguration(IngestSettings)


@functions_framework.aio.cloud_event
async def ingest(event: CloudEvent) -> None:
    try:
        source = source_of_event(event)
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        log("ERROR", "event_malformed", f"not an object's event: {error}", event=str(event.get("id")))
        return
    try:
        deps = wiring.ingest()
        with span("ingest", parent=str(event.get("traceparent") or ""), kind="consumer"):
            if event["type"] == _DELETED:
                await clear_indexes(deps, source)
            else:
                await take_object(deps, source)
    except Exception as error:
        log_failure("ingest_failed", error, object=source.uri)
        raise HTTPException(500, "failed: to be delivered again") from error


async def take_object(deps: IngestDeps, source: Source) -> None:
    if source.bucket == deps.settings.requests_bucket:
        await deps.requests.take(source)
    elif reason := ignore_reason(source, deps.settings):
        log("INFO", "object_ignored", reason, object=source.uri)
    else:
        await deps.intake.take(source)


async def clear_indexes(deps: IngestDeps, source: Source) -> None:
    """Enqueue the removal of the deleted generation from its indexes.

    An overwrite deletes a generation too, and its event may be late. Entries of newer generations stay.
    """
    for stored in await deps.index_entries.of_object(source.uri):
        if stored.entry.generation <= source.generation:
            await deps.dispatches.enqueue_entry(stored.entry.key, source.generation)


def source_of_event(event: CloudEvent) -> Source:
    """Return the object of a `google.cloud.storage.object.v1.finalized` or `…deleted` event."""
    data = event.data
    data["name"].encode()  # Raises if it is not UTF-8: no object has such a name, and Firestore could not store it.
    return Source(
        kind="object",
        bucket=data["bucket"],
        name=data["name"],
        generation=int(data["generation"]),
        size=int(data.get("size", 0)),
        content_type=data.get("contentType"),
        created_at=datetime.fromisoformat(data["timeCreated"]),
    )
