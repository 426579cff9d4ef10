"""Split the file of a request that is too long for one call, as a dropped one is.

That takes a request that asks one question about one object: with several files, a conversation, functions, or an
answer that is streamed there is no telling what one answer of the parts' answers would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from functions.generate.lease import Lease
from functions.generate.model.call import model_notices
from functions.generate.question.parts import ExaminedObject
from functions.generate.question.split import SplitObject, without_evidence
from shared.cloud.storage import StoredObject
from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import CompleteAnswer
from shared.domain.errors import PermanentFailure
from shared.domain.models.catalogue import Model
from shared.domain.recipe.definition import Range, Recipe, RecipeQuestion
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.inputs import StoredInput
from shared.domain.request.messages import Message, TextPart
from shared.domain.request.to_recipe import ResolvedRequest
from shared.domain.request.wire import body
from shared.domain.splitting.joining import joining_prompt
from shared.domain.splitting.plan import Span
from shared.domain.tasks.task import Ran

_INSTRUCTIONS = ("system", "developer")


def is_divisible(request: ResolvedRequest) -> bool:
    """Return whether the file of a request may be asked about in parts."""
    submission = request.submission
    turns = [message.role for message in request.messages if message.role not in _INSTRUCTIONS]
    one_file = len(request.inputs) == 1 and isinstance(request.inputs[0], StoredInput)
    needs_one_call = submission.tools or submission.stream or submission.index or (submission.n or 1) > 1
    return one_file and turns == ["user"] and not needs_one_call and submission.google.cached_content is None


def split_request(
    deps: GenerateDeps,
    lease: Lease,
    request: ResolvedRequest,
    long_file: ExaminedObject,
    ran: Ran,
    model: Model | None,
    remarks: Sequence[str],
) -> SplitObject:
    """Return the request's file, to be split. `ran` is what stands on the task."""
    recipe = request.recipe
    noticed = (*request.warnings, *remarks, *model_notices(deps, recipe.model), *without_evidence(recipe))
    asked = recipe.model_copy(
        update={"evidence": False, **({"response_schema": None} if request.takes_any_json else {})}
    )
    questions = RequestQuestions(request, deps.clock.now().date())
    still_there = partial(_require_live_file, deps, long_file.stored, request.inputs[0].param)
    return SplitObject(
        deps, lease, long_file.stored, long_file.facts, asked, questions, still_there, ran, model, noticed
    )


class RequestQuestions(NamedTuple):
    """The question of a request."""

    request: ResolvedRequest
    today: date

    def about_part(
        self, recipe: Recipe, _asked: RecipeQuestion, _shown: Range | None, note: str, sent: list[PreparedFile]
    ) -> Json:
        messages = [self._with_note(message, note) for message in self.request.messages]
        return body(self.request._replace(recipe=recipe, messages=messages), sent, self.today)

    def about_answers(
        self,
        recipe: Recipe,
        _asked: RecipeQuestion,
        _shown: Range | None,
        answers: Sequence[CompleteAnswer],
        plan: Sequence[Span],
    ) -> Json:
        asked = [message for message in self.request.messages if message.role not in _INSTRUCTIONS]
        prompt = joining_prompt("\n".join(message.text for message in asked), answers, plan)
        instructions = [message for message in self.request.messages if message.role in _INSTRUCTIONS]
        messages = [*instructions, Message(role="user", content=[TextPart.model_construct(type="text", text=prompt)])]
        return body(self.request._replace(recipe=recipe, messages=messages), [], self.today)

    def _with_note(self, message: Message, note: str) -> Message:
        if message.role in _INSTRUCTIONS or not note:
            return message
        return message.model_copy(update={"content": [*message.parts, TextPart(type="text", text=note)]})


async def _require_live_file(deps: GenerateDeps, stored: StoredObject, param: str) -> None:
    found = await deps.storage.stat(stored.bucket, stored.name)
    uri = f"gs://{stored.bucket}/{stored.name}"
    if found is None:
        raise PermanentFailure("source_gone", f"{param}: {uri} is not there any more.")
    if found.generation != stored.generation:
        raise PermanentFailure("source_superseded", f"{param}: {uri} was overwritten while it was asked about.")
