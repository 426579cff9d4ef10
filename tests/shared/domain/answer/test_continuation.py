"""Answers that go on by a token: whatever broke and whoever stored what, the text is whole and nothing counts twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer import response as answer
from shared.domain.answer.continuation import (
    MAX_HOPS,
    MAX_TOKENS,
    TOKENS_KEPT,
    billed_records,
    broken_off,
    hops_joined,
    is_resumable,
    joined_call,
    standing_of,
    token_of,
    whole_records,
    without_tokens,
)
from shared.domain.answer.response import Json

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def piece(text: str, token: str | None = None, reason: str | None = None, tokens: int | None = None) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": [{"text": text}] if text else []}}
    candidate |= {"continuationToken": token} if token else {}
    candidate |= {"finishReason": reason} if reason else {}
    return {
        "candidates": [candidate],
        **({} if tokens is None else {"usageMetadata": {"candidatesTokenCount": tokens}}),
    }


def resumed(response: Json, token: str, claim: int = 1, number: int = 0) -> Json:
    return {**response, "resumedFrom": {"claim": claim, "round": number, "token": token}}


def record(response: Json, claim: int = 1, number: int = 0, segment: int | None = None, at: datetime = NOW) -> Json:
    whole: Json = {"claim": claim, "round": number, "response": response, "at": at.isoformat()}
    return whole if segment is None else {**whole, "segment": segment}


def text_of(response: Json) -> str:
    return answer.text(answer.candidates(response)[0])


def test_a_checkpoint_within_a_whole_answer_is_no_reason_to_go_on() -> None:
    whole = joined_call([piece("one ", "t1"), piece("two", reason="STOP")])
    assert token_of(whole) is None
    assert standing_of([whole]).token is None
    assert text_of(whole) == "one two"


def test_an_older_token_does_not_stand_for_the_end_of_an_answer_that_was_cut() -> None:
    cut = joined_call([piece("one ", "t1"), piece("two", reason="MAX_TOKENS")])
    assert not is_resumable(cut)


def test_a_stream_that_ends_without_a_reason_behind_a_token_is_cut_at_the_token() -> None:
    broken = joined_call([piece("one ", "t1"), piece("lost")])
    assert (text_of(broken), token_of(broken), is_resumable(broken)) == ("one ", "t1", True)


def test_a_stream_that_broke_without_a_token_leaves_nothing_to_go_on_with() -> None:
    assert broken_off([piece("one ")]) is None
    assert broken_off([]) is None


@pytest.mark.parametrize("reason", ["CONTINUATION", "MAX_TOKENS"])
def test_an_answer_that_ends_at_a_limit_goes_on_with_its_token(reason: str) -> None:
    assert standing_of([joined_call([piece("one", "t1", reason)])]).token == "t1"


def test_a_limit_that_was_asked_for_is_the_end_of_the_answer() -> None:
    at_limit = joined_call([piece("one", "t1", "MAX_TOKENS")])
    assert standing_of([at_limit], most_tokens=5, past_limit=0).is_spent
    to_be_continued = joined_call([piece("one", "t1", "CONTINUATION", tokens=4)])
    assert standing_of([to_be_continued], most_tokens=5, past_limit=0).token == "t1"
    assert standing_of([to_be_continued], most_tokens=4, past_limit=0).is_spent


def test_an_answer_goes_on_for_so_many_calls_and_tokens_and_no_further() -> None:
    hops = [piece("x", "t0", "CONTINUATION", tokens=1)]
    while (standing := standing_of(hops)).token is not None:
        hops.append(resumed(piece("x", f"t{len(hops)}", "CONTINUATION", tokens=1), standing.token))
    assert len(hops) == MAX_HOPS
    assert standing.is_spent
    assert text_of(standing.responses[0]) == "x" * MAX_HOPS
    assert standing_of([piece("x", "t", "CONTINUATION", tokens=MAX_TOKENS)]).is_spent


def test_calls_that_bring_nothing_come_to_an_end() -> None:
    hops = [piece("x", "t0", "CONTINUATION"), resumed(piece("", "t1", "CONTINUATION"), "t0")]
    assert standing_of(hops).token == "t1"
    assert standing_of([*hops, resumed(piece("", "t2", "CONTINUATION"), "t1")]).is_spent


def test_what_broke_off_and_was_asked_for_anew_counts_no_more() -> None:
    broken = joined_call([piece("one ", "t1"), piece("lost")])
    assert standing_of([without_tokens(broken)]).responses == []
    assert [text_of(each) for each in hops_joined([broken, piece("anew", reason="STOP")])] == ["anew"]


def test_a_block_on_the_way_leaves_what_there_is() -> None:
    first = joined_call([piece("one ", "t1", "CONTINUATION")])
    blocked = resumed({"promptFeedback": {"blockReason": "SAFETY"}}, "t1")
    assert hops_joined([first, blocked]) == [first, blocked]


def test_a_holder_that_was_overtaken_and_stores_more_doubles_nothing() -> None:
    segments = [record(piece("a", "t1"), segment=1), record(piece("b", "t2"), segment=2)]
    late = [record(piece("c", "t3"), segment=3), record(joined_call([piece("abcd", reason="STOP")]))]
    goes_on = record(resumed(piece("cd", reason="STOP"), "t2"), claim=2, number=1)
    for stored in (segments, [*segments, late[0]], [*segments, late[1]], [*segments, *late]):
        first, second = whole_records([*stored, goes_on], NOW)
        whole = hops_joined([first["response"], second["response"]])  # type: ignore[list-item]
        assert [text_of(each) for each in whole] == ["abcd"]


def test_all_that_came_of_a_call_is_paid_for_though_the_answer_goes_on_from_before() -> None:
    stored = [record(piece("a", "t1", tokens=1), segment=1), record(piece("b", "t2", tokens=2), segment=2)]
    goes_on = record(resumed(piece("bc", reason="STOP", tokens=2), "t1"), claim=2, number=1)
    usages: list[Any] = [entry["response"] for entry in billed_records([*stored, goes_on])]
    assert [usage["usageMetadata"]["candidatesTokenCount"] for usage in usages] == [2, 2]


def test_a_token_that_is_too_old_is_not_used() -> None:
    (old,) = whole_records([record(piece("a", "t1"), segment=1)], NOW + TOKENS_KEPT + timedelta(seconds=1))
    assert standing_of([old["response"]]).responses == []  # type: ignore[list-item]


@given(
    text=st.text(max_size=200),
    cuts=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12), st.booleans()), max_size=8),
    size=st.integers(1, 30),
    every=st.integers(1, 4),
)
def test_however_often_it_breaks_the_text_is_whole(
    text: str, cuts: list[tuple[int, int, bool]], size: int, every: int
) -> None:
    """A model that answers from a character on; calls that come to so many pieces, stored in segments or as a whole."""
    records: list[Json] = []
    tokens_paid = 0
    for claim, (come, segment_of, killed) in enumerate([*cuts, (10_000, 1, False)], 1):
        rounds = whole_records(records, NOW)
        responses: list[Any] = [entry["response"] for entry in rounds]
        standing = standing_of(responses) if responses else None
        token = standing.token if standing is not None else None
        start = json.loads(token)["at"] if token else 0
        said = [text[at : at + size] for at in range(start, len(text), size)] or [""]
        at, pieces = start, []
        for count, words in enumerate(said, 1):
            at += len(words)
            ending = "STOP" if count == len(said) else None
            mark = json.dumps({"at": at}) if count % every == 0 and ending is None else None
            pieces.append(piece(words, mark, ending, tokens=at - start))
        heard = pieces[:come]
        origin = {} if token is None else resumed({}, token, rounds[-1]["claim"], rounds[-1]["round"])  # type: ignore[arg-type]
        heard = [{**reply, **origin} for reply in heard]
        number = len(rounds)
        done = 0
        for count, each in enumerate(heard, 1):
            if token_of(each) and count - done >= segment_of:
                joined = answer.join(heard[done:count])
                records.append(record(joined, claim, number, segment=sum(map(_is_of(claim), records)) + 1))
                done = count
        kept = done
        if not killed or come >= len(pieces):
            whole = joined_call(heard) if come >= len(pieces) else broken_off(heard)
            if whole is not None:
                records.append(record(whole, claim, number))
                kept = (
                    len(heard) if come >= len(pieces) else max(n for n, reply in enumerate(heard, 1) if token_of(reply))
                )
        tokens_paid += sum(len(each) for each in said[:kept])
    responses = [entry["response"] for entry in whole_records(records, NOW)]
    final = standing_of(responses)
    assert final.token is None
    assert [text_of(response) for response in final.responses][-1] == text
    bills: list[Any] = [entry["response"] for entry in billed_records(records)]
    assert sum(bill["usageMetadata"]["candidatesTokenCount"] for bill in bills) == tokens_paid


def _is_of(claim: int) -> Any:
    return lambda stored: stored["claim"] == claim and "segment" in stored
