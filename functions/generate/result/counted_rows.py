"""Compare the rows of an answer with the pages of its source, and name missing rows.

Rows of pages with text are looked up in the text. For other pages, the model has counted rows in a separate call.
"""

from __future__ import annotations

from collections.abc import Sequence

from functions.generate.model.rounds import step_of
from functions.generate.question.upload import identify_object
from shared.cloud.object_stream import SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain.checks.rounds import CompleteAnswer
from shared.domain.checks.rows import RowCount, rows_of, warnings_of_rows
from shared.domain.errors import PermanentFailure
from shared.domain.splitting.plan import part_name
from shared.domain.splitting.row_counts import CountedWindow, counted_rows, counting_name, warnings_of_windows
from shared.domain.stored_rounds import Round, part_of_result
from shared.domain.tasks.task import Task
from shared.off_loop import off_loop


async def warn_of_missing_rows(
    deps: GenerateDeps, task: Task, whole: CompleteAnswer, rounds: Sequence[Round], name: str
) -> list[str]:
    """Return the warnings about the rows of the result of question `name`."""
    rows = await off_loop(rows_of, whole.value, whole.text)
    if name and not rows:
        # One of several questions, which need not be about the table.
        return []
    windows, count = await _counted_windows(deps, rounds, name)
    warnings = warnings_of_windows(windows)
    if (windows and len(windows) == count) or task.source.kind != "object" or not rows:
        return warnings
    async with deps.transfers.slot():
        return [*warnings, *warnings_of_rows(await _count(deps, task, rows))]


async def _counted_windows(deps: GenerateDeps, rounds: Sequence[Round], name: str) -> tuple[list[CountedWindow], int]:
    """Return the windows that the model was asked to count, and how many windows there are."""
    part, windows = part_of_result(rounds, name), list[CountedWindow]()
    spans = part.plan if part is not None else ()
    for number, span in enumerate(spans, 1):
        counted = await step_of(deps, rounds, counting_name(number, len(spans)))
        answered = await step_of(deps, rounds, part_name(name, number, len(spans)))
        if counted is not None and isinstance(answered, CompleteAnswer):
            on_pages = counted_rows(counted.value) if isinstance(counted, CompleteAnswer) else None
            windows.append(CountedWindow(span, on_pages, len(rows_of(answered.value, answered.text))))
    return windows, len(spans)


async def _count(deps: GenerateDeps, task: Task, rows: list[list[str]]) -> RowCount:
    unknown, source = RowCount(None, len(rows)), task.source
    try:
        identified = await identify_object(deps, source.bucket, source.name, source.generation)
        return unknown if identified is None else await deps.examiner.count_rows(*identified, rows)
    except (PermanentFailure, SourceVanished):
        return unknown
