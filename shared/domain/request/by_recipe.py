"""A request that names a recipe: what the recipe says holds wherever the request is silent."""

from __future__ import annotations

from typing import cast

from pydantic import JsonValue

from shared.domain.answer import Json
from shared.domain.errors import RequestRefused
from shared.domain.recipe import BUILT_IN, Recipe
from shared.domain.request.messages import TextPart
from shared.domain.request.schema import Submission


def completed(submission: Submission) -> Submission:
    """The request with its recipe's prompt and settings filled in. Raises `RequestRefused` for an unknown recipe."""
    if submission.recipe is None:
        return submission
    recipe = next((each for each in BUILT_IN if each.name == submission.recipe), None)
    if recipe is None or not recipe.asked[0].prompt or recipe.needs:
        usable = ", ".join(each.name for each in BUILT_IN if each.asked[0].prompt and not each.needs)
        message = f"recipe: there is no recipe {submission.recipe!r} for requests. There are: {usable}."
        raise RequestRefused(422, "invalid_request_error", "invalid_param", message, param="recipe")
    return Submission.model_validate({**_filled(submission, recipe), **_given(submission)}, strict=False)


def _given(submission: Submission) -> Json:
    given = submission.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {name: value for name, value in given.items() if value is not None and name != "messages"}


def _filled(submission: Submission, recipe: Recipe) -> Json:
    chosen, question = recipe.parameters, recipe.asked[0]
    filled: dict[str, JsonValue] = {
        "system_prompt": recipe.system,
        "temperature": chosen.temperature,
        "top_p": chosen.top_p,
        "top_k": chosen.top_k,
        "max_tokens": chosen.max_tokens,
        "seed": chosen.seed,
        "stop": list(chosen.stop) or None,
        "presence_penalty": chosen.presence_penalty,
        "frequency_penalty": chosen.frequency_penalty,
        "media_resolution": recipe.media_resolution if recipe.media_resolution != "ultra_high" else None,
    }
    if question.response_schema is not None:
        filled["response_format"] = {"type": "json_schema", "json_schema": {"schema": question.response_schema}}
    if submission.messages is None:
        filled["prompt"] = question.prompt
    else:
        messages = [message.model_dump(mode="json", exclude_unset=True) for message in submission.messages]
        said = any(
            isinstance(part, TextPart)
            for message in submission.messages
            if message.role == "user"
            for part in message.parts
        )
        if not said:
            cast(list[JsonValue], messages[-1]["content"]).append({"type": "text", "text": question.prompt})
        filled["messages"] = cast(JsonValue, messages)
    return {name: value for name, value in filled.items() if value is not None}
