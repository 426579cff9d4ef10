"""A stream's pieces make the same answer however it was cut."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.answer import response as answer
from shared.domain.answer.response import Json

TEXTS = st.text(max_size=40)
PIECES = st.lists(st.tuples(TEXTS.filter(bool), st.booleans()), min_size=1, max_size=8)
"""Texts of one candidate in order, each an answer's (False) or a thought's (True)."""


def part(text: str, thought: bool) -> Json:
    return {"text": text, "thought": True} if thought else {"text": text}


def piece(*parts: Json, index: int | None = None, **fields: object) -> Json:
    content: Json = {"role": "model", "parts": list(parts)}
    candidate: Json = {"content": content, **cast(Json, fields)}
    if index is not None:
        candidate["index"] = index
    return {"candidates": [candidate]}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(said=PIECES, data=st.data())
def test_any_cut_of_the_texts_gives_the_same_answer_with_thoughts_apart(
    said: list[tuple[str, bool]], data: st.DataObject
) -> None:
    stream: list[Json] = []
    for text, thought in said:
        cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=4)))
        edges = [0, *cuts, len(text)]
        parts = [part(text[start:end], thought) for start, end in pairwise(edges) if start < end]
        together = data.draw(st.booleans())
        stream += [piece(*parts)] if together else [piece(each) for each in parts]
    whole = answer.candidates(answer.join(stream))[0]
    assert answer.text(whole) == "".join(text for text, thought in said if not thought)
    assert answer.text(whole, thoughts=True) == "".join(text for text, thought in said if thought)
    kinds = [bool(each.get("thought")) for each in answer.parts(whole)]
    assert all(one != next_one for one, next_one in pairwise(kinds)), "texts of one kind are joined"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), cut=st.integers(0, 6))
def test_joining_what_was_joined_changes_nothing(texts: list[str], cut: int) -> None:
    stream = [piece(part(text, False)) for text in texts]
    at_once = answer.join(stream)
    assert answer.join([at_once]) == at_once
    in_two = answer.join([answer.join(stream[:cut]), answer.join(stream[cut:])])
    assert [answer.text(candidate) for candidate in answer.candidates(in_two)] == ["".join(texts)]


def test_the_last_usage_finish_reason_and_feedback_count() -> None:
    joined = answer.join(
        [
            {**piece(part("One", False)), "usageMetadata": {"totalTokenCount": 1}, "modelVersion": "m"},
            {**piece(part(" two", False)), "usageMetadata": {"totalTokenCount": 2}},
            {**piece(finishReason="STOP"), "usageMetadata": {"totalTokenCount": 3}},
        ]
    )
    candidate = answer.candidates(joined)[0]
    assert answer.text(candidate) == "One two"
    assert answer.finish_reason(candidate) == "STOP"
    assert joined["usageMetadata"] == {"totalTokenCount": 3}
    assert joined["modelVersion"] == "m"


def test_a_piece_without_content_ends_an_answer_without_taking_its_text() -> None:
    ended: Json = {"candidates": [{"index": 0, "finishReason": "MAX_TOKENS"}]}
    candidate = answer.candidates(answer.join([piece(part("Half", False)), ended]))[0]
    assert (answer.text(candidate), answer.finish_reason(candidate)) == ("Half", "MAX_TOKENS")


def test_an_unspecified_finish_reason_is_none() -> None:
    assert answer.finish_reason({"finishReason": "FINISH_REASON_UNSPECIFIED"}) is None
    assert answer.finish_reason({}) is None


def test_candidates_are_kept_apart_and_in_order() -> None:
    stream = [piece(part(text, False), index=index) for text, index in [("b", 1), ("a", 0), ("B", 1), ("A", 0)]]
    found = answer.candidates(answer.join(stream))
    assert [(each["index"], answer.text(each)) for each in found] == [(0, "aA"), (1, "bB")]


def test_function_calls_stay_parts_of_their_own_between_texts() -> None:
    call: Json = {"functionCall": {"name": "look", "args": {"at": 1}}}
    stream = [piece(part("Let me ", False)), piece(part("look.", False), call), piece(call), piece(part("Done", False))]
    joined = answer.parts(answer.candidates(answer.join(stream))[0])
    assert joined == [{"text": "Let me look."}, call, call, {"text": "Done"}]


def test_a_thoughts_signature_survives_the_join() -> None:
    signed: Json = {"text": "", "thoughtSignature": "c2lnbmVk"}
    joined = answer.parts(answer.candidates(answer.join([piece(part("Yes", False)), piece(signed)]))[0])
    assert joined == [{"text": "Yes", "thoughtSignature": "c2lnbmVk"}]


def test_the_pieces_themselves_are_left_as_they_were() -> None:
    stream = [piece(part("a", False)), piece(part("b", False))]
    answer.join(stream)
    assert stream == [piece(part("a", False)), piece(part("b", False))]


def test_a_blocked_prompt_has_no_candidates_and_says_why() -> None:
    joined = answer.join([{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}])
    assert answer.candidates(joined) == []
    assert answer.block_reason(joined) == "SAFETY"
    assert answer.block_reason(piece()) is None


def test_an_empty_stream_is_an_empty_answer() -> None:
    assert answer.join([]) == {}
    assert answer.candidates({}) == []


def test_what_is_no_object_where_one_belongs_is_passed_over() -> None:
    odd: Json = {"candidates": [None, 3, {"content": None}, {"content": {"parts": "text"}}]}
    assert [answer.parts(candidate) for candidate in answer.candidates(odd)] == [[], []]
    assert answer.candidates({"candidates": "none"}) == []
