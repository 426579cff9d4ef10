"""Check a request against its model and the limits, before anything is stored or paid for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from shared.domain.errors import FieldRefused, PermanentFailure
from shared.domain.media import Facts, Family
from shared.domain.models.catalogue import check_input, find_model
from shared.domain.recipe.definition import Recipe
from shared.domain.recipe.fitness import misfits
from shared.domain.recipe.transcription import LONGEST_WITH_WORDS
from shared.domain.recipe.validation import output_flaws
from shared.domain.request.inputs import Inline
from shared.domain.request.overrides import refusal_of_misfit, request_field
from shared.domain.request.schema import Submission, read, refuse_on_error
from shared.domain.request.to_recipe import ResolvedRequest, resolve_recipe

LARGEST_REQUEST = 20 << 20
"""Bytes of prompt, system prompt and inline data together (the contract's 20 MB, read as MiB)."""


def read_and_check(text: bytes, today: date) -> ResolvedRequest:
    """Return the resolved request. Raises `RequestRefused` for anything that prevents running it."""
    with refuse_on_error():
        resolved = resolve_recipe(read(text), today)
        _refuse_too_large(resolved)
        refuse_misfits(resolved.recipe, resolved.submission, _families(resolved, today), today)
        return resolved


def refuse_misfits(recipe: Recipe, submission: Submission, families: Sequence[Family], today: date | None) -> None:
    """Raise `RequestRefused`, naming the request's field, if the model cannot do what is asked for.

    `families` is empty if the kind of a file is unknown.
    """
    for misfit in misfits(recipe, families, today):
        raise refusal_of_misfit(misfit, submission)


def refuse_file(recipe: Recipe, param: str, facts: Facts, *, alone: bool) -> None:
    """Raise `PermanentFailure` if an examined file does not fit its request. `alone`: it is the only file."""
    family, label = facts.media_type.family, facts.media_type.label
    if family not in recipe.takes:
        raise _invalid_param(f"{param}: the recipe {recipe.name} takes {' or '.join(recipe.takes)}; this is {label}.")
    for flaw in output_flaws(recipe, [family]):
        raise _invalid_param(f"{request_field('outputs')}: {flaw}; {param} is {label}.")
    _refuse_long(recipe, param, facts)
    if recipe.range is None:
        return
    field = request_field("range")
    if alone and family not in ("audio", "video"):
        raise _invalid_param(f"{field}: a range is a part of audio or video; {param} is {label}.")
    if missed := recipe.range.missed(facts.duration):
        raise _invalid_param(f"{field}: {missed} ({param}).")


def _refuse_long(recipe: Recipe, param: str, facts: Facts) -> None:
    """Raise for a recording if the model would not give the times of its words."""
    is_limited = recipe.transcription is not None and recipe.transcription.is_limited
    if not is_limited or facts.duration is None or facts.duration <= LONGEST_WITH_WORDS:
        return
    message = (
        f"{param}: times of words and speakers are given for {LONGEST_WITH_WORDS / 60:.0f} minutes at most; this has "
        f"{facts.duration / 60:.0f}. Drop it into an inbox with the recipe transcribe-words, which splits it, or leave "
        "the words out."
    )
    raise PermanentFailure("media_too_long", message)


def _families(resolved: ResolvedRequest, today: date) -> Sequence[Family]:
    """Return the families of all inputs, or their possible families. Raises if the model does not accept an input."""
    model = find_model(resolved.recipe.model, today)
    families: list[Family] = []
    for file in resolved.inputs:
        if (family := file.declared_family) is None:
            continue
        if model is not None and "text" in model.outputs and (why := check_input(model, family)):
            raise FieldRefused(file.param, why, "model_not_support_capability")
        families.append(family)
    if len(families) == len(resolved.inputs):
        return families
    return resolved.recipe.takes if resolved.submission.recipe is not None else ()


def _refuse_too_large(resolved: ResolvedRequest) -> None:
    texts = [resolved.system, *(message.text for message in resolved.messages)]
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    size += sum(file.size for file in resolved.inputs if isinstance(file, Inline))
    if size > LARGEST_REQUEST:
        raise FieldRefused(
            next((file.param for file in resolved.inputs if isinstance(file, Inline)), "prompt"),
            f"Prompt, system prompt and inline data together have {size:,} bytes; at most {LARGEST_REQUEST:,} are "
            "taken. Put the file into a bucket and name it as gs://bucket/object.",
            "payload_too_large",
        )


def _invalid_param(message: str) -> PermanentFailure:
    return PermanentFailure("invalid_param", message)
