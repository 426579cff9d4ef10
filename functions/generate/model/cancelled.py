"""Count what the calls of a cancelled task cost: who cancelled it could not know, and its holder stops only later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from functions.generate.lease import Lease
from functions.generate.model.answer_store import load_answers
from functions.generate.model.spending import earlier_reservation, end_reservation, ledger_with_lost_call
from shared.cloud.firestore import Stored
from shared.cloud.telemetry import log, log_failure
from shared.dependencies import GenerateDeps
from shared.domain.answer.continuation import billed_records
from shared.domain.errors import LeaseLost
from shared.domain.models.catalogue import catalogue
from shared.domain.money.calls import Call, call_of
from shared.domain.money.ledger import Late, LostCalls, late_calls, money_warnings, usage_of
from shared.domain.money.storage import storage_of
from shared.domain.money.totals import rows_of, rows_of_late_calls
from shared.domain.tasks.task import Task

if TYPE_CHECKING:
    from google.cloud import firestore


async def count_calls(
    deps: GenerateDeps, stored: Stored, *, reserved: date | None = None, lost: LostCalls | None = None
) -> Stored | None:
    """Enter all stored calls of a cancelled task that are not counted yet, and end its reservation.

    `reserved`: the day of the reservation, if it is known. `lost`: the lost calls, if the holder that was cut off tells
    of them; they take the place of those that were assumed. None if the document is gone.
    """
    calls = [call_of(record) for record in billed_records(await load_answers(deps, stored.task))]
    reserved = reserved or await earlier_reservation(deps, stored.task)
    late: Late | None = None
    late_lost = LostCalls()

    def entered(current: Task) -> Task:
        nonlocal late, late_lost
        late = None if current.usage is None else late_calls(calls, current.usage)
        late_lost = LostCalls() if lost is None else lost - current.ledger.lost
        if late is not None and not late.calls and late_lost == LostCalls():
            return current
        return _with_usage(deps, current, calls, lost)

    def counted(batch: firestore.AsyncWriteBatch, task: Task) -> None:
        rows = rows_of(task, calls) if late is None else rows_of_late_calls(task, *late, late_lost)
        deps.totals.add(batch, deps.clock.now(), rows)
        if reserved is not None:
            deps.reservations.settle(batch, reserved, task.key)

    return await deps.tasks.change(stored, entered, counted)


def _with_usage(deps: GenerateDeps, task: Task, calls: Sequence[Call], lost: LostCalls | None) -> Task:
    ledger = task.ledger
    if lost is not None:
        ledger = ledger.with_lost(lost)
    elif task.usage is None:
        ledger = ledger_with_lost_call(deps, task, ledger)
    if task.usage is None:
        ledger = ledger.with_storage(storage_of(task.cache, task.model, deps.clock.now()))
    sizes = {"source": task.source.size, "uploaded": ledger.uploaded}
    usage = usage_of(calls, ledger=ledger, sizes=sizes, prices_read=catalogue().prices_read)
    warnings = tuple(dict.fromkeys((*task.warnings, *money_warnings(calls))))
    return task.model_copy(update={"usage": usage, "ledger": ledger, "warnings": warnings})


async def end_lost_claim(deps: GenerateDeps, lease: Lease, lost_lease: LeaseLost) -> None:
    """Count the calls and end the reservation of a claim that was lost, if its task has ended meanwhile."""
    log("INFO", "lease_lost", str(lost_lease), task=lease.task.id)
    try:
        stored = await deps.tasks.get(lease.task.id)
        if stored is not None and stored.task.is_cancelled:
            was_cut_off = stored.task.token == lease.token + 1
            # Lost calls of earlier claims are entered before a claim's own call, which this one may not have reached.
            lost = ledger_with_lost_call(deps, lease.task, lease.ledger).lost if was_cut_off else None
            await count_calls(deps, stored, reserved=lease.reserved, lost=lost)
        if lease.reserved is not None and (stored is None or stored.task.terminal):
            await end_reservation(deps, lease.task, lease.reserved)
    except Exception as error:  # The reservation ends with the day.
        log_failure("lost_claim_not_counted", error, task=lease.task.id)
