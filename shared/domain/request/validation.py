"""A body in one step: read, completed by its recipe, its inputs found, and judged by what the model can do."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from shared.domain.request.fitness import misfits
from shared.domain.request.inputs import Input, inputs_of
from shared.domain.request.schema import Submission, as_refusals, read
from shared.domain.request.to_recipe import ResolvedRequest, resolve_recipe


class CheckedRequest(NamedTuple):
    submission: Submission
    """As it was sent."""
    resolved: ResolvedRequest
    """With its recipe's words in it."""
    inputs: list[Input]


def read_and_check(text: bytes, today: date) -> CheckedRequest:
    """Raises `RequestRefused` for whatever the request cannot be run with."""
    with as_refusals():
        submission = read(text)
        whole = resolve_recipe(submission, today)
        inputs = inputs_of(whole.submission)
        if (refused := misfits(whole.submission, inputs, today)) is not None:
            raise refused
    return CheckedRequest(submission, whole, inputs)
