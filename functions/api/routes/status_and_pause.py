"""GET /v1/status, POST /v1/pause and /v1/resume: show what delays tasks, and stop and restart work on them."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from functions.api.auth import Operator
from functions.api.json_body import render_json
from functions.api.openapi_shapes import errors, json_response
from shared import wiring
from shared.cloud.telemetry import log, log_failure
from shared.cloud.throttle import EVERYTHING, Pause
from shared.dependencies import ApiDeps
from shared.domain.answer.response import Json
from shared.domain.errors import FieldRefused
from shared.domain.money.calls import as_dollars
from shared.waking import wake_waiting_tasks

router = APIRouter()


_WOKEN_AT_ONCE = 500
"""How many tasks a resume dispatches itself. Sweep dispatches the others within minutes."""


class Which(BaseModel):
    """What to pause or resume."""

    model_config = ConfigDict(extra="forbid")

    inbox: str | None = None
    """The bucket of one inbox; left out, the whole system."""


_RESPONSES = {200: json_response("StatusShown"), **errors(400, 401, 403, 415, 422, 429)}


@router.get("/v1/status", operation_id="status", responses={200: json_response("StatusShown"), **errors(401, 403, 429)})
async def status(key: Operator) -> Response:
    """What is paused, which models are not asked for now, and what was spent today."""
    return await _status(wiring.api())


@router.post("/v1/pause", operation_id="pause", responses=_RESPONSES)
async def pause(key: Operator, which: Which | None = None) -> Response:
    """Stop working on tasks, within ten seconds everywhere. New ones are still taken, and wait."""
    deps = wiring.api()
    owner = _owner(deps, which)
    await deps.throttle.set_pause(owner, Pause(deps.clock.now(), key.owner))
    log("WARNING", "paused", f"{key.owner} paused {owner}", owner=owner)
    return await _status(deps)


@router.post("/v1/resume", operation_id="resume", responses=_RESPONSES)
async def resume(key: Operator, which: Which | None = None) -> Response:
    """Let tasks go on. A pause of the whole system and those of inboxes are ended each by itself."""
    deps = wiring.api()
    owner = _owner(deps, which)
    await deps.throttle.set_pause(owner, None)
    log("WARNING", "resumed", f"{key.owner} resumed {owner}", owner=owner)
    try:
        await wake_waiting_tasks(
            deps.tasks, deps.dispatches, deps.throttle, deps.budgets, now=deps.clock.now(), most=_WOKEN_AT_ONCE
        )
    except Exception as error:  # Waiting tasks retry by themselves, and sweep wakes them.
        log_failure("tasks_not_woken", error)
    return await _status(deps)


def _owner(deps: ApiDeps, which: Which | None) -> str:
    if which is None or which.inbox is None:
        return EVERYTHING
    if which.inbox not in deps.settings.inboxes:
        raise FieldRefused("inbox", f"inbox: {which.inbox!r} is none of {', '.join(deps.settings.inboxes)}.")
    return f"inbox:{which.inbox}"


async def _status(deps: ApiDeps) -> Response:
    notes, paused, breakers = await deps.throttle.state()
    spent, budget = await deps.budgets.state()
    body: Json = {
        "object": "status",
        "paused": [
            {"what": "everything" if owner == EVERYTHING else owner, "since": _seconds(pause.since), "by": pause.by}
            for owner, pause in sorted(paused.items())
        ],
        "breakers": [
            {
                "model": model,
                "opened_at": _seconds(breaker.opened_at),
                "until": _seconds(breaker.until),
                "detail": breaker.detail,
            }
            for model, breaker in sorted(breakers.items())
        ],
        "throttled": [
            {"model": model, "reason": note.reason, "until": _seconds(note.until), "detail": note.detail}
            for model, note in sorted(notes.items())
        ],
        "open_tasks": await deps.tasks.count_open(),
        "budget": {"spent_today": as_dollars(spent), "daily_budget": as_dollars(budget), "currency": "USD"},
    }
    return render_json(body, "no-store")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
