"""GET /v1/usage: what tasks used and cost, by day, key, inbox, folder, recipe or model."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Annotated, cast

from fastapi import APIRouter, Query
from pydantic import JsonValue
from starlette.responses import Response

from functions.api.auth import Reader
from functions.api.json_body import render_json
from functions.api.openapi_shapes import errors, json_response
from shared import wiring
from shared.domain.errors import FieldRefused
from shared.domain.models.catalogue import catalogue
from shared.domain.money.totals import GROUPS, Counters, DayRow, Group, as_public, grouped
from shared.domain.tasks.access import Key

router = APIRouter()


_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_LONGEST = timedelta(days=400)
_DAYS_SHOWN = timedelta(days=29)
"""Before the last day, if no first one is given."""


@router.get(
    "/v1/usage",
    operation_id="usage",
    responses={200: json_response("UsageShown"), **errors(401, 403, 422, 429)},
)
async def usage(
    key: Reader,
    first: Annotated[str | None, Query(alias="from", pattern=_DAY, description="The first day (UTC).")] = None,
    last: Annotated[
        str | None, Query(alias="to", pattern=_DAY, description="The last day, included; today by default.")
    ] = None,
    group_by: Annotated[
        str, Query(max_length=64, description=f"One or more of {', '.join(GROUPS)}, with commas.")
    ] = "day",
) -> Response:
    """Tokens and US dollars of tasks that have ended: all of them with the scope `operate`, else those the key sees."""
    deps = wiring.api()
    until = _day("to", last) or deps.clock.now().astimezone(UTC).date()
    since = _day("from", first) or max(until, date.min + _DAYS_SHOWN) - _DAYS_SHOWN
    if not timedelta() <= until - since <= _LONGEST:
        raise FieldRefused("from", f"from: at most {_LONGEST.days} days before `to`, and not after it.")
    groups = _groups(group_by)
    rows = [row for row in await deps.totals.rows(since, until) if _is_visible(key, row)]
    total = sum((row.counters for row in rows), Counters())
    body = {
        "object": "usage",
        "from": since.isoformat(),
        "to": until.isoformat(),
        "group_by": list(groups),
        "currency": "USD",
        "price_date": catalogue().prices_read.isoformat(),
        "data": cast(JsonValue, grouped(rows, groups)),
        "total": as_public(total),
    }
    return render_json(body)


def _day(param: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise FieldRefused(param, f"{param}: {text} is no day.") from error


def _groups(text: str) -> tuple[Group, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if unknown := next((name for name in names if name not in GROUPS), None):
        raise FieldRefused("group_by", f"group_by: {unknown!r} is none of {', '.join(GROUPS)}.")
    return cast(tuple[Group, ...], names or ("day",))


def _is_visible(key: Key, row: DayRow) -> bool:
    if "operate" in key.scopes or row.labels.owner == key.owner or row.labels.owner in key.sources:
        return True
    return bool(row.labels.prefix) and key.covers(row.labels.prefix)
