"""Streams of answers that go on by a token: readers get each word once, whatever they were told before the break."""

from __future__ import annotations

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer.chunks import Gathered
from shared.domain.answer.response import Json


def piece(text: str, **about: str) -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, **about}]}


def told(gathered: Gathered) -> str:
    return "".join(str(delta.get("content") or "") for delta, _ in gathered.take())


@given(text=st.text(alphabet="ab \n", min_size=1, max_size=60), data=st.data())
def test_readers_get_the_rest_of_the_answer_and_nothing_twice(text: str, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(text)))
    shown = data.draw(st.integers(0, len(text)))
    cuts = sorted(data.draw(st.lists(st.integers(kept, len(text)), max_size=4)))
    gathered = Gathered(reasoning=False)
    gathered.go_on((text[:kept], ""), (text[:shown], ""))
    edges = [kept, *cuts, len(text)]
    for start, end in itertools.pairwise(edges):
        gathered.add(piece(text[start:end]))
    assert not gathered.diverged
    rest = text[min(kept, shown) if shown < kept else shown :]
    assert told(gathered) == (rest if (text[:kept] + rest).strip() else "")


def test_an_answer_that_goes_on_with_other_words_is_noticed() -> None:
    gathered = Gathered(reasoning=False)
    gathered.go_on(("one ", ""), ("one two ", ""))
    gathered.add(piece("tw"))
    assert not gathered.diverged
    gathered.add(piece("ice"))
    assert gathered.diverged
    other = Gathered(reasoning=False)
    other.go_on(("one ", ""), ("uno ", ""))
    assert other.diverged


def test_thoughts_that_readers_have_are_not_told_again() -> None:
    gathered = Gathered(reasoning=True)
    gathered.go_on(("", "first "), ("", "first second"))
    gathered.add({"candidates": [{"content": {"parts": [{"text": "second third", "thought": True}]}}]})
    ((delta, _),) = gathered.take()
    assert json.dumps(delta.get("reasoning_content")) == '" third"'


def test_an_answer_that_goes_on_has_no_last_chunk_yet() -> None:
    gathered = Gathered(reasoning=False)
    gathered.add(piece("one", finishReason="CONTINUATION", continuationToken="t"))
    assert gathered.finish is None
    gathered.add(piece("two", finishReason="CONTINUATION"))
    assert gathered.finish == "length"
