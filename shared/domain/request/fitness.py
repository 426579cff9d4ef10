"""Check a request against its model and the limits, before anything is stored or paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from shared.domain.errors import RequestRefused
from shared.domain.media import Family, kind_of_mime, kind_of_name
from shared.domain.models import catalogue
from shared.domain.models.catalogue import Model, Retired, ThinkingByBudget, ThinkingByLevel, UnknownName
from shared.domain.request.inputs import Inline, Input, StoredInput
from shared.domain.request.options import JsonObjectAnswer, JsonSchemaAnswer
from shared.domain.request.schema import Submission

LARGEST_REQUEST = 20 << 20
"""Bytes of prompt, system prompt and inline data together (the contract's 20 MB, read as MiB)."""


def misfits(submission: Submission, inputs: Sequence[Input], today: date | None = None) -> RequestRefused | None:
    """Return the first reason why the request cannot be run, or None."""
    return next(_reasons(submission, inputs, today), None)


def _reasons(submission: Submission, inputs: Sequence[Input], today: date | None) -> Iterator[RequestRefused]:
    size = _size(submission, inputs)
    if size > LARGEST_REQUEST:
        yield _refused(
            "payload_too_large",
            f"Prompt, system prompt and inline data together have {size:,} bytes; at most {LARGEST_REQUEST:,} are "
            "taken. Put the file into a bucket and name it as gs://bucket/object.",
            next((each.param for each in inputs if isinstance(each, Inline)), "prompt"),
        )
    if submission.google.cached_content is not None:
        param = "extra_body.google.cached_content"
        yield _refused(
            "invalid_param",
            f"{param}: caches cannot be named, because whose files they hold cannot be told. Leave it out: Dropsight "
            "makes caches itself where they pay, and keeps them to the tasks of one file.",
            param,
        )
    known = catalogue.resolve(submission.model, today)
    match known:
        case Retired():
            message = f"{known.id} no longer answers. Use {known.successor}."
            yield _refused("no_available_model", message, "model")
        case UnknownName(well_formed=False):
            message = f"There is no model {known.name!r}. Did you mean {known.suggestion}? GET /v1/models lists them."
            yield _refused("no_available_model", message, "model")
        case UnknownName():
            # It may be newer than the catalogue: the service will say.
            return
        case Model():
            yield from _beyond(known, submission, inputs)


def _beyond(model: Model, submission: Submission, inputs: Sequence[Input]) -> Iterator[RequestRefused]:
    if "text" not in model.outputs:
        yield _cannot(model, "answer with text", "model")
    for each in inputs:
        family = family_of(each)
        if family is not None and (refusal := catalogue.check_input(model, family)):
            yield _refused("model_not_support_capability", refusal.message, each.param)
    if submission.tools and not model.can("function_calling"):
        yield _cannot(model, "call functions", "tools")
    structured = isinstance(submission.response_format, JsonObjectAnswer | JsonSchemaAnswer)
    if structured and not model.can("structured_output"):
        yield _cannot(model, "answer in a given form", "response_format")
    if submission.max_tokens is not None and submission.max_tokens > model.output_tokens:
        message = f"max_tokens: {model.id} answers with at most {model.output_tokens:,} tokens."
        yield _refused("invalid_param", message, "max_tokens")
    if refused := catalogue.refused_parameters(model, submission):
        yield _refused(
            "invalid_param", refused, "presence_penalty" if submission.presence_penalty else "frequency_penalty"
        )
    yield from _beyond_thought(model, submission)


def _beyond_thought(model: Model, submission: Submission) -> Iterator[RequestRefused]:
    effort, config = submission.reasoning_effort, submission.google.thinking_config
    if effort is not None and model.thinking_for(effort) is None:
        if model.thinking is None and effort == "none":
            return
        what = "stop thinking" if model.thinking is not None else "think"
        yield _cannot(model, what, "reasoning_effort")
    if config is None:
        return
    param = "extra_body.google.thinking_config"
    if model.thinking is None:
        yield _cannot(model, "think", param)
        return
    budget = config.thinking_budget
    if budget == 0 and not model.thinking.can_be_off:
        yield _cannot(model, "stop thinking", f"{param}.thinking_budget")
    by_budget = isinstance(model.thinking, ThinkingByBudget)
    if isinstance(model.thinking, ThinkingByBudget) and budget is not None and budget > 0:
        least, most = model.thinking.least, model.thinking.most
        if not least <= budget <= most:
            message = f"{param}.thinking_budget: {model.id} takes {least} to {most} tokens."
            yield _refused("invalid_param", message, f"{param}.thinking_budget")
    if config.thinking_level is not None and by_budget:
        yield _cannot(model, "be set by a thinking level, only by a budget", f"{param}.thinking_level")
    if isinstance(model.thinking, ThinkingByLevel) and budget:
        yield _cannot(model, "be set by a thinking budget, only by a level", f"{param}.thinking_budget")
    if isinstance(model.thinking, ThinkingByLevel) and config.thinking_level not in (None, *model.thinking.levels):
        what = f"think by the level {config.thinking_level}, only by {', '.join(model.thinking.levels)}"
        yield _cannot(model, what, f"{param}.thinking_level")


def family_of(each: Input) -> Family | None:
    """Return the declared family of an input. Its true one is known only once it is read."""
    if each.family is not None:
        return each.family
    kind = kind_of_mime(each.mime) if isinstance(each, Inline) else None
    if isinstance(each, StoredInput):
        kind = kind_of_name(each.name)
    return kind.family if kind is not None else None


def _size(submission: Submission, inputs: Sequence[Input]) -> int:
    said = [submission.prompt, submission.system_prompt, *(message.text for message in submission.messages or [])]
    text = sum(len(each.encode("utf-8", "surrogatepass")) for each in said if each)
    return text + sum(each.size for each in inputs if isinstance(each, Inline))


def _cannot(model: Model, what: str, param: str) -> RequestRefused:
    return _refused("model_not_support_capability", f"{param}: {model.id} cannot {what}.", param)


def _refused(code: str, message: str, param: str) -> RequestRefused:
    return RequestRefused(422, "invalid_request_error", code, message, param=param)
