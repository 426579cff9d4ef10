"""Thinking: which budgets and levels a model takes, and how many tokens the stand-in thinks."""

from __future__ import annotations

from typing import Any

from local.standins.gemini.errors import invalid
from local.standins.gemini.models import Model

_LEVELS = {"MINIMAL": 0.25, "LOW": 0.5, "MEDIUM": 1.0, "HIGH": 2.0, "XHIGH": 3.0}
_DYNAMIC = -1
_LEAST_THOUGHT = 24


def check_thinking(config: dict[str, Any], model: Model) -> None:
    budget = config.get("thinkingBudget")
    level = config.get("thinkingLevel", "THINKING_LEVEL_UNSPECIFIED")
    if model.thinking == "no":
        if config.get("includeThoughts") or budget not in (None, 0) or level != "THINKING_LEVEL_UNSPECIFIED":
            raise invalid(f"Thinking is not enabled for models/{model.id}")
        return
    if budget is not None and level != "THINKING_LEVEL_UNSPECIFIED":
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level != "THINKING_LEVEL_UNSPECIFIED":
        _check_level(level, model)
    if budget is not None and model.fourth_generation:
        raise invalid("Thinking budget is not supported for this model. Please use thinking level.")
    if budget is not None:
        _check_budget(budget, model)


def _check_level(level: str, model: Model) -> None:
    if model.thinking != "level":
        raise invalid("Thinking level is not supported for this model.")
    if level not in model.thinking_levels:
        raise invalid(
            f"Thinking level {level} is not supported for this model. Please retry with other thinking level."
        )


def _check_budget(budget: int, model: Model) -> None:
    least, most = model.thinking_budgets
    if budget == _DYNAMIC or (budget == 0 and model.thinking == "budget"):
        return
    if budget == 0:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    if not least <= budget <= most:
        raise invalid(f"The thinking budget {budget} is invalid. Please choose a value between {least} and {most}.")


def thought_tokens(config: dict[str, Any], model: Model, question: str, most: int) -> int:
    """Return the thinking tokens of one answer: at most half of its `most` tokens, to leave room for text."""
    budget = config.get("thinkingBudget")
    off_by_default = "flash-lite" in model.id and budget is None
    if model.thinking == "no" or budget == 0 or off_by_default:
        return 0
    tokens = int((_LEAST_THOUGHT + len(question) // 4) * _LEVELS.get(config.get("thinkingLevel", ""), 1.0))
    if budget is not None and budget > 0:
        tokens = min(tokens, budget)
    return min(tokens, most // 2)
