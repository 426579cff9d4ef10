"""Read and check a body in one step: parse it, apply its recipe, list its inputs, check the model."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from shared.domain.request.fitness import misfits
from shared.domain.request.inputs import Input, inputs_of
from shared.domain.request.schema import Submission, as_refusals, read
from shared.domain.request.to_recipe import ResolvedRequest, resolve_recipe


class CheckedRequest(NamedTuple):
    submission: Submission
    """The request as it was sent."""
    resolved: ResolvedRequest
    """The request completed by its recipe."""
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
