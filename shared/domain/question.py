"""What one call asks a model: what a dropped object with its recipe, and what a submitted request, both come to."""

from __future__ import annotations

from pydantic import JsonValue

from shared.domain.task import Frozen, Ran


class Question(Frozen):
    """`body` is generateContent's, under the API's own (camelCase) names, with every input handed over."""

    model: str
    body: dict[str, JsonValue]
    ran: Ran
    """What stands on the task of what was asked."""
    reasoning: bool = False
    """Whether the thoughts come with the answer."""
