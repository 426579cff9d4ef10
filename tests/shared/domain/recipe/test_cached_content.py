"""What a context cache holds, and what a question that names it still says."""

from __future__ import annotations

from pydantic import JsonValue

from shared.domain.recipe.cached_content import body_naming_cache, digest_of_shared_content, shared_content
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran

FILE: dict[str, JsonValue] = {"fileData": {"fileUri": "https://files/one", "mimeType": "video/mp4"}}
WORDS: dict[str, JsonValue] = {"text": "What happens?"}
ANSWER: dict[str, JsonValue] = {"role": "model", "parts": [{"text": "First, "}]}
BODY: dict[str, JsonValue] = {
    "contents": [{"role": "user", "parts": [FILE, WORDS]}, ANSWER],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "tools": [{"codeExecution": {}}],
    "generationConfig": {"temperature": 0},
}


def question(body: dict[str, JsonValue] = BODY, *, model: str = "m", source: str = "gs://inbox/a.mp4#1") -> Question:
    return Question(model=model, body=body, ran=Ran(recipe="r", sha256="0", snapshot={}), sources=(source,))


def with_file(uri: str) -> dict[str, JsonValue]:
    file: dict[str, JsonValue] = {"fileData": {"fileUri": uri, "mimeType": "video/mp4"}}
    return {**BODY, "contents": [{"role": "user", "parts": [file, WORDS]}]}


def test_the_cache_holds_the_files_the_system_instruction_and_the_tools_but_no_words_of_a_question() -> None:
    assert shared_content(BODY) == {
        "contents": [{"role": "user", "parts": [FILE]}],
        "systemInstruction": BODY["systemInstruction"],
        "tools": BODY["tools"],
    }


def test_a_question_that_names_the_cache_repeats_nothing_that_it_holds_and_loses_nothing_else() -> None:
    assert body_naming_cache("cachedContents/1", BODY) == {
        "contents": [{"role": "user", "parts": [WORDS]}, ANSWER],
        "generationConfig": {"temperature": 0},
        "cachedContent": "cachedContents/1",
    }


def test_the_digest_is_the_same_when_the_files_were_uploaded_again_or_other_words_are_asked() -> None:
    again = with_file("https://files/two")
    assert digest_of_shared_content(question(again)) == digest_of_shared_content(question(BODY))


def test_the_digest_differs_for_another_file_model_or_instruction() -> None:
    digests = {
        digest_of_shared_content(question()),
        digest_of_shared_content(question(source="gs://inbox/a.mp4#2")),
        digest_of_shared_content(question(model="other")),
        digest_of_shared_content(question({**BODY, "systemInstruction": {"parts": [{"text": "Be long."}]}})),
    }
    assert len(digests) == 4
