"""sweep: find lost work and dispatch it again.

Called by Cloud Scheduler, or by hand. The fields of the body are optional: `{"backfill": "gs://inbox/prefix",
"dry_run": true, "after": "name"}`. Answers with counts. Running it twice in a row is harmless.
"""

from __future__ import annotations

from shared import collector  # isort: split

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import functions_framework.aio
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.sweep.deleted_objects import remove_deleted_objects
from functions.sweep.lost_objects import backfill, take_lost_objects
from functions.sweep.lost_requests import take_lost_requests
from functions.sweep.open_tasks import redrive_all
from shared import wiring
from shared.cloud.telemetry import log, log_failure
from shared.cloud.tracing import annotate, span
from shared.dependencies import SweepDeps
from shared.domain.errors import TaskFailure
from shared.domain.models.prices import Tier
from shared.settings import SweepSettings, refuse_misconfiguration

_BY_SCHEDULE = "X-CloudScheduler"
"""The header that marks Cloud Scheduler's calls. A sweep by hand never rests."""


class SweepRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    backfill: str | None = Field(default=None, pattern=r"^gs://[^/]+/.*$")
    dry_run: bool = False
    after: str = ""
    service_tier: Tier = "flex"
    """The tier of the tasks that a backfill creates."""


collector.resume()
refuse_misconfiguration(SweepSettings)


@functions_framework.aio.http
async def sweep(request: Request) -> Response:
    try:
        sweep_request = SweepRequest.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        return JSONResponse({"error": {"message": f"{where}: {first['msg']}"}}, status_code=422)
    deps = wiring.sweep()
    if sweep_request.backfill is not None:
        with span("backfill", kind="server"):
            return await run_backfill(deps, sweep_request, sweep_request.backfill)
    with span("sweep", kind="server"):
        counts = await run(deps, scheduled=_BY_SCHEDULE in request.headers)
        annotate(**counts)
        log("INFO", "sweep_finished", "the sweep is done", **counts)
    return JSONResponse(counts)


async def run(deps: SweepDeps, *, scheduled: bool = False) -> dict[str, int]:
    """Sweep open tasks, recent objects and orphaned files. Each part gets a share of the remaining time."""
    tally: Counter[str] = Counter(
        open_tasks=0, leases_expired=0, dispatches_lost=0, after_work_unfinished=0,
        objects_checked=0, objects_without_task=0, files_seen=0, files_deleted=0, index_entries_removed=0, errors=0,
    )  # fmt: skip
    parts: dict[str, Callable[..., Awaitable[None]]] = {
        "open tasks": partial(redrive_all, deps, tally, scheduled=scheduled),
        "files": partial(delete_orphan_files, deps, tally),
        "requests": partial(take_lost_requests, deps, tally, scheduled=scheduled),
        "indexes": partial(remove_deleted_objects, deps, tally, scheduled=scheduled),
    }
    for bucket in deps.settings.inboxes:
        parts[f"objects of {bucket}"] = partial(take_lost_objects, deps, bucket, tally, scheduled=scheduled)
    stop_at = deps.clock.time() + deps.settings.time_limit_seconds
    for done, (name, part) in enumerate(parts.items()):
        share = (stop_at - deps.clock.time()) / (len(parts) - done)
        await _run_part(name, tally, part(stop_at=deps.clock.time() + share))
    return dict(tally)


async def delete_orphan_files(deps: SweepDeps, tally: Counter[str], *, stop_at: float) -> None:
    files = await deps.orphan_files.delete(until=stop_at)
    tally["files_seen"], tally["files_deleted"] = files.count, files.deleted
    tally["errors"] += files.refused


async def run_backfill(deps: SweepDeps, sweep_request: SweepRequest, uri: str) -> Response:
    bucket, _, prefix = uri.removeprefix("gs://").partition("/")
    if bucket not in deps.settings.inboxes:
        inboxes = ", ".join(deps.settings.inboxes)
        return JSONResponse({"error": {"message": f"{bucket} is not an inbox; these are: {inboxes}"}}, status_code=422)
    tally: Counter[str] = Counter(objects=0, bytes=0, without_task=0, errors=0)
    stop_at = deps.clock.time() + deps.settings.time_limit_seconds
    dry_run = sweep_request.dry_run
    after = await backfill(
        deps,
        bucket,
        prefix,
        after=sweep_request.after,
        dry_run=dry_run,
        tally=tally,
        stop_at=stop_at,
        tier=sweep_request.service_tier,
    )
    counts: dict[str, int | str | bool | None] = {**tally, "dry_run": dry_run, "after": after}
    log(
        "INFO", "backfill_ran", f"{uri}: {tally['without_task']} of {tally['objects']} objects without a task", **counts
    )
    return JSONResponse(counts)


async def _run_part(name: str, tally: Counter[str], part: Awaitable[None]) -> None:
    """Run one part. Its failure is counted and logged, so that the other parts still run."""
    try:
        with span("sweep_part", part=name):
            await part
    except TaskFailure as failure:
        tally["errors"] += 1
        log("ERROR", "sweep_part_failed", failure.summary, part=name)
    except Exception as error:
        tally["errors"] += 1
        log_failure("sweep_part_failed", error, part=name)
