"""What pieces and rounds of an answer rest on is all kept, and supports go on naming their chunks."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.answer import response as answer
from shared.domain.answer.citations import passages
from shared.domain.answer.grounding import joined_grounding
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import CompleteAnswer, next_step

PIECES = st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), min_size=1, max_size=5)
"""The passages that each piece names; each has a support for each."""


def grounded(passages: list[str], said: str) -> Json:
    chunks = [{"retrievedContext": {"text": passage, "customMetadata": []}} for passage in passages]
    supports = [
        {"segment": {"text": f"{said} {passage}"}, "groundingChunkIndices": [number]}
        for number, passage in enumerate(passages)
    ]
    return cast(Json, {"groundingChunks": chunks, "groundingSupports": supports})


def piece(text: str, grounding: Json | None, reason: str | None = None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": [{"text": text}]}}
    candidate |= {"groundingMetadata": grounding} if grounding is not None else {}
    return {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}


def named(grounding: Any) -> set[tuple[str, str]]:
    """The words of each support, and the passage that it names."""
    return {
        (support["segment"]["text"], grounding["groundingChunks"][index]["retrievedContext"]["text"])
        for support in grounding.get("groundingSupports", ())
        for index in support["groundingChunkIndices"]
    }


@settings(max_examples=200, deadline=None, derandomize=True)
@given(pieces=PIECES)
def test_no_passage_is_lost_and_each_support_names_its_own(pieces: list[list[str]]) -> None:
    joined: Any = joined_grounding([grounded(each, str(number)) for number, each in enumerate(pieces)]) or {}
    texts = {chunk["retrievedContext"]["text"] for chunk in joined.get("groundingChunks", ())}
    assert texts == {passage for each in pieces for passage in each}
    assert named(joined) == {(f"{number} {text}", text) for number, each in enumerate(pieces) for text in each}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(passages=st.lists(st.sampled_from("abcdef"), unique=True), cut=st.integers(0, 6))
def test_a_piece_that_names_all_anew_adds_only_what_is_new(passages: list[str], cut: int) -> None:
    whole = grounded(passages, "it says")
    assert joined_grounding([grounded(passages[:cut], "it says"), whole]) == whole


def test_supports_that_come_after_their_chunks_name_them() -> None:
    whole = grounded(["a", "b"], "it says")
    chunks: Json = {"groundingChunks": whole["groundingChunks"]}
    supports: Json = {"groundingSupports": whole["groundingSupports"]}
    assert joined_grounding([chunks, {}, supports]) == whole


def test_what_an_earlier_piece_of_a_stream_rests_on_stays_with_the_answer() -> None:
    joined = answer.join([piece("One, ", grounded(["foreign"], "One,")), piece("two.", {}), piece("", None, "STOP")])
    found = passages(answer.candidates(joined)[0])
    assert [passage.text for passage in found] == ["foreign"]


def test_what_an_earlier_round_rests_on_stays_with_the_answer() -> None:
    first = piece("The price is secret,", grounded(["foreign"], "The price"), "MAX_TOKENS")
    for later in (None, {}, grounded(["mine"], "and the harvest")):
        whole = next_step([first, piece(" and the harvest is in May.", later, "STOP")], None, continuations=3)
        assert isinstance(whole, CompleteAnswer)
        found = [passage for passage in passages(answer.candidates(whole.response)[0]) if passage.cited]
        assert [passage.text for passage in found] == (["foreign", "mine"] if later else ["foreign"])


def test_a_round_that_names_no_words_still_cites_all_it_rests_on() -> None:
    silent: Json = {"groundingChunks": grounded(["a", "b"], "")["groundingChunks"]}
    rounds = [piece("One, ", silent, "MAX_TOKENS"), piece("two.", grounded(["c"], "two"), "STOP")]
    whole = next_step(rounds, None, continuations=3)
    assert isinstance(whole, CompleteAnswer)
    assert [passage.text for passage in passages(answer.candidates(whole.response)[0]) if passage.cited] == [*"abc"]
