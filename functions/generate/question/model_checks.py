"""Check whether a prompt fits the model's window. Near the limit the service counts, not an estimate."""

from __future__ import annotations

from collections.abc import Sequence

from shared.dependencies import GenerateDeps
from shared.domain import media
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure
from shared.domain.media import Facts
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model, UnknownName, resolve
from shared.domain.models.served import model_of
from shared.domain.models.tokens import Resolution

_NEARLY_FULL = 0.9
"""Share of the model's window above which the service is asked to count."""


def refuse_if_too_long(files: Sequence[Facts], model: Model | None, resolution: Resolution | None = None) -> None:
    """Raise `PermanentFailure` for files that are too much for one prompt, before they are uploaded."""
    media.check_prompt(files)
    if model is not None:
        tokens.check_context(files, model, resolution)


async def known_model(deps: GenerateDeps, name: str) -> Model | None:
    """Return the model from the catalogue or the service; None if neither knows it or it is retired."""
    resolved = resolve(name, deps.clock.now().date())
    if isinstance(resolved, Model):
        return resolved
    served = await deps.gemini.served(resolved.name) if isinstance(resolved, UnknownName) else None
    return model_of(served) if served is not None and served.input_token_limit else None


async def count_tokens_if_nearly_full(
    deps: GenerateDeps, model: Model | None, body: Json, files: Sequence[Facts], resolution: Resolution | None = None
) -> None:
    """Raise `PermanentFailure` if the service counts more tokens than the model takes.

    Prompts that cannot be estimated are counted too.
    """
    if model is None:
        return
    config = body.get("generationConfig")
    limit = config.get("maxOutputTokens") if isinstance(config, dict) else None
    most = model.room_for_input(limit if isinstance(limit, int) else None)
    estimate = sum(tokens.estimate(facts, model, resolution) for facts in files)
    if estimate < _NEARLY_FULL * most and all(map(tokens.can_be_estimated, files)):
        return
    counted = await deps.gemini.count_tokens(model.id, body)
    if counted > most:
        beside = " beside an answer of max_tokens" if most < model.input_tokens else ""
        raise PermanentFailure(
            "context_length_exceeded",
            f"These are {counted:,} tokens; model {model.id} takes at most {most:,}{beside}. Cut the input into "
            "parts, or choose a model with a larger window.",
        )
