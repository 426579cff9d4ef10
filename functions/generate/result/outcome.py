"""Turn a task's answers into its outcome: results, usage and warnings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never, cast

from pydantic import JsonValue

from functions.generate.lease import Lease
from functions.generate.model.rounds import step_of_result
from functions.generate.result.cited_files import add_citations
from functions.generate.result.counted_rows import warn_of_missing_rows
from functions.generate.result.evidence import move_evidence
from shared.dependencies import GenerateDeps
from shared.domain.answer.completion import completion, with_choices
from shared.domain.answer.made import described, stored_pieces
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import AskAgain, CompleteAnswer, Failed
from shared.domain.checks.transcript_coverage import transcript_warnings
from shared.domain.models.catalogue import catalogue
from shared.domain.money.ledger import money_warnings, usage_of
from shared.domain.money.storage import storage_of
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.making import Makes
from shared.domain.recipe.question import Question
from shared.domain.stored_rounds import Round, question_of_result, result_names
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import Pointer, Task, TaskError
from shared.off_loop import off_loop

_RESULTS_IN_DOCUMENT = 256 << 10
"""Bytes of results JSON kept in the document, which is limited to 1 MiB; larger results go to the results bucket."""


async def outcome_of(deps: GenerateDeps, task: Task, rounds: Sequence[Round]) -> Outcome:
    """Return one result per question, or the first failure. `rounds` must not be empty.

    If a request wants several answers, they are choices of one result.
    """
    first = rounds[0].question
    warnings = list(first.about.warnings)
    results: list[Json] = []
    for name in result_names(rounds):
        step = await step_of_result(deps, rounds, name)
        match step:
            case Failed():
                error = TaskError(code=step.code, message=f"{name}: {step.message}" if name else step.message)
                return Outcome(error=error, warnings=tuple(warnings), ran=first.ran, model=first.model)
            case CompleteAnswer():
                question = question_of_result(rounds, name)
                result = await off_loop(_completion, task, question, step)
                if question.about.evidence:
                    warnings += await move_evidence(deps, task, question.sources, step.value, result)
                if question.about.searched:
                    warnings += await add_citations(deps, task, question.about.searched, step.response, result)
                if question.ran.snapshot.get("count_rows"):
                    warnings += await warn_of_missing_rows(deps, task, step, rounds, name)
                if question.makes is not None:
                    _describe(result, question.makes, rounds, question)
                results.append(result)
                warnings += [f"{name}: {entry}" if name else entry for entry in await _shortcomings(question, step)]
            case None | AskAgain():
                raise AssertionError(f"question {name!r} of {task.id} was left open")
            case _:
                assert_never(step)
    if first.choices > 1:
        results = [with_choices(results)]
    pointer = await _kept_apart(deps, task, results)
    return Outcome(
        results=None if pointer else tuple(results),
        results_pointer=pointer,
        warnings=tuple(dict.fromkeys(warnings)),
        ran=first.ran,
        model=first.model,
    )


def with_ledger(lease: Lease, outcome: Outcome, now: datetime) -> Outcome:
    """Return the outcome with the task's usage and cost; the cost is None if its earlier calls were not read."""
    ledger = lease.ledger.with_storage(storage_of(lease.cache, outcome.model or lease.model, now))
    task, calls = lease.task, lease.calls or []
    ledger = ledger.with_seconds("event", (task.accepted_at - task.source.created_at).total_seconds())
    ledger = ledger.with_seconds("queue", ((task.started_at or now) - task.accepted_at).total_seconds())
    sizes = {"source": task.source.size, "uploaded": ledger.uploaded}
    usage = usage_of(calls, ledger=ledger, sizes=sizes, prices_read=catalogue().prices_read)
    warnings = dict.fromkeys((*outcome.warnings, *money_warnings(calls)))
    if lease.calls is None:
        # What was counted of them while the task waited stays counted.
        ledger, usage["cost"] = ledger.model_copy(update={"counted": 0}), None
        warnings["What this cost is not known: the answers that were stored could not be read."] = None
    return replace(outcome, usage=usage, ledger=ledger, warnings=tuple(warnings))


def _completion(task: Task, question: Question, whole: CompleteAnswer) -> Json:
    return completion(
        whole.response,
        task_id=task.id,
        created=int(task.created_at.timestamp()),
        model=question.model,
        reasoning=question.reasoning,
    )


def _describe(result: Json, makes: Makes, rounds: Sequence[Round], question: Question) -> None:
    """Put a sentence about the speech, vectors or pictures in place of an answer in words."""
    last = {entry.question.name: entry.response for entry in rounds}
    pieces = [piece for response in last.values() for piece in stored_pieces(response)]
    recipe = Recipe.model_validate(question.ran.snapshot)
    dimensions = recipe.embedding.dimensions if recipe.embedding is not None else 1
    message = cast(Json, cast(list[Json], result["choices"])[0]["message"])
    message["content"] = described(makes, pieces, question.model, dimensions)


async def _shortcomings(question: Question, whole: CompleteAnswer) -> tuple[str, ...]:
    about = question.about
    if not about.transcript or whole.warnings:
        return (*whole.warnings, *whole.remarks)
    shortcomings = await off_loop(transcript_warnings, whole.text, whole.value, about.duration, about.range)
    return (*shortcomings, *whole.remarks)


async def _kept_apart(deps: GenerateDeps, task: Task, results: list[Json]) -> Pointer | None:
    """Write results that are too large for a document to the results bucket."""
    encoded = await off_loop(_encoded, results)
    if len(encoded) <= _RESULTS_IN_DOCUMENT:
        return None
    # Each claim has its own object, never overwritten: a claim that was taken over may still be writing.
    name = f"tasks/{task.id}/results-{task.token:06d}.json"
    await deps.storage.write(deps.settings.results_bucket, name, encoded, "application/json", only_if_absent=True)
    digest = await off_loop(hashlib.sha256, encoded)
    return Pointer(name=name, size=len(encoded), sha256=digest.hexdigest())


def _encoded(results: list[Json]) -> bytes:
    return json.dumps(cast(JsonValue, results), ensure_ascii=False).encode()
