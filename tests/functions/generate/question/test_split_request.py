"""Which requests may be split, and what their parts are asked."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from functions.generate.question.split_request import RequestQuestions, is_divisible
from shared.domain.recipe.wire import PreparedFile
from shared.domain.request.schema import Submission
from shared.domain.request.to_recipe import ResolvedRequest, resolve_recipe

TODAY = date(2026, 11, 26)
FILE = {"type": "file_url", "file_url": {"url": "gs://inbox/long.pdf"}}
QUESTION = {"type": "text", "text": "Which page is the last?"}
TOOL = {"type": "function", "function": {"name": "note", "parameters": {"type": "object", "properties": {}}}}


def resolved(content: list[Any] | None = None, *more: Any, **fields: Any) -> ResolvedRequest:
    system = [] if "extra_body" in fields else [{"role": "system", "content": "Be brief."}]
    messages = [*system, {"role": "user", "content": content or [FILE, QUESTION]}]
    body = {"model": "gemini-2.5-flash-lite", "messages": [*messages, *more], **fields}
    return resolve_recipe(Submission.model_validate(body), TODAY)


def test_one_question_about_one_object_may_be_split() -> None:
    assert is_divisible(resolved())


@pytest.mark.parametrize(
    "request_",
    [
        resolved([FILE, FILE, QUESTION]),
        resolved([QUESTION]),
        resolved([{"type": "file_url", "file_url": {"url": "https://example.com/long.pdf"}}, QUESTION]),
        resolved(None, {"role": "assistant", "content": "9."}, {"role": "user", "content": "And the first?"}),
        resolved(stream=True),
        resolved(tools=[TOOL]),
        resolved(extra_body={"google": {"cached_content": "cachedContents/a"}}),
    ],
    ids=["two files", "no file", "on the web", "conversation", "streamed", "functions", "a context cache"],
)
def test_others_are_not(request_: ResolvedRequest) -> None:
    assert not is_divisible(request_)


def test_each_part_is_asked_with_the_instructions_and_a_note_on_its_place() -> None:
    request = resolved()
    asked = RequestQuestions(request, TODAY)
    sent = [PreparedFile("application/pdf", "files/part")]
    body: Any = asked.about_part(request.recipe, request.question, None, "(This is part 1 of 2.)", sent)
    parts = body["contents"][0]["parts"]
    assert [part.get("text") for part in parts] == [None, "Which page is the last?", "(This is part 1 of 2.)"]
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
