"""A grounded answer says what it rests on, in OpenAI's form and for people."""

from __future__ import annotations

from openai.types.chat import ChatCompletion

from shared.domain.answer.citations import Page, citations, pages_of
from shared.domain.answer.completion import completion
from shared.domain.answer.response import Json
from shared.domain.outputs import Source, render
from shared.domain.recipe.definition import RecipeQuestion

TEXT = "Über Tee: green tea is old. Nothing else."
GROUNDED: Json = {
    "content": {"role": "model", "parts": [{"text": TEXT}]},
    "finishReason": "STOP",
    "groundingMetadata": {
        "groundingChunks": [
            {"web": {"uri": "https://tea.example/a", "title": "Tea [old]"}},
            {"web": {"uri": "javascript:alert(1)", "title": "x"}},
        ],
        "groundingSupports": [
            {
                "segment": {"startIndex": 11, "endIndex": 28, "text": "green tea is old."},
                "groundingChunkIndices": [0, 1, 7],
            },
            {"segment": {"text": "words that are not there"}, "groundingChunkIndices": [0]},
        ],
    },
}


def test_pages_are_annotated_where_their_words_stand_in_characters() -> None:
    [cited] = citations(GROUNDED, TEXT)
    place = cited["url_citation"]
    assert isinstance(place, dict)
    assert (place["url"], place["title"]) == ("https://tea.example/a", "Tea [old]")
    start, end = place["start_index"], place["end_index"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert TEXT[start:end] == "green tea is old."


def test_openais_client_reads_the_annotations() -> None:
    answer = completion({"candidates": [GROUNDED]}, task_id="t", created=1, model="m")
    message = ChatCompletion.model_validate(answer).choices[0].message
    assert message.annotations is not None
    assert message.annotations[0].url_citation.url == "https://tea.example/a"


def test_markdown_ends_with_the_list_of_its_sources() -> None:
    message: Json = {"annotations": [*citations(GROUNDED, TEXT), *citations(GROUNDED, TEXT)]}
    assert pages_of(message) == [Page("https://tea.example/a", "Tea [old]")]
    question = RecipeQuestion(name="", prompt="p", response_schema=None, outputs=("md", "txt"))
    files = render(question, TEXT, None, Source("a.txt", pages=tuple(pages_of(message)))).files
    assert files["md"].data.decode() == f"{TEXT}\n\nSources:\n\n1. [Tea \\[old\\]](<https://tea.example/a>)\n"
    assert files["txt"].data.decode() == TEXT


def test_an_answer_that_rests_on_nothing_is_left_as_it_is() -> None:
    assert citations({"content": {}}, "x") == []
    assert pages_of({}) == []


def test_a_source_stays_one_link_whatever_its_address_holds() -> None:
    question = RecipeQuestion(name="", prompt="p", response_schema=None, outputs=("md",))
    pages = (Page("https://tea.example/a>b c\n<d", "Tea"),)
    files = render(question, "x", None, Source("a.txt", pages=pages)).files
    assert files["md"].data.decode().endswith("1. [Tea](<https://tea.example/a%3Eb%20c%0A%3Cd>)\n")
