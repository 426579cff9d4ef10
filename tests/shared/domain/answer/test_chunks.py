"""Streams of answers that go on by a token: readers get each word once, whatever they were told before the break."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer import response as answer
from shared.domain.answer.chunks import Chunk, Gathered, Shown, join_chunks
from shared.domain.answer.response import Json

LATER = datetime(2026, 11, 26, tzinfo=UTC)


def piece(text: str, **about: str) -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text}]}, **about}]}


def thought(text: str) -> Json:
    return {"candidates": [{"content": {"parts": [{"text": text, "thought": True}]}}]}


def shown(content: str, thoughts: str = "") -> Shown:
    return Shown(content, thoughts, ())


def stored(*pieces: Json, reasoning: bool = False) -> Gathered:
    gathered = Gathered(reasoning)
    gathered.add(answer.join(pieces))
    return gathered


def response_of(atom: str) -> Json:
    """A piece of an answer: `C1` is a call, what begins with T is a thought, all else is text."""
    part: Json = {"text": atom, "thought": True} if atom.startswith("T") else {"text": atom}
    if atom.startswith("C"):
        part = {"functionCall": {"name": "look", "args": {"number": atom[1:]}}}
    return {"candidates": [{"content": {"parts": [part]}}]}


ATOMS = st.sampled_from(["a", "bb ", " ", "\n", "T1", "T2 ", "C1", "C2"])


@given(atoms=st.lists(ATOMS, min_size=1, max_size=14), data=st.data())
def test_readers_get_all_of_an_answer_once_wherever_it_breaks_and_whatever_was_stored(
    atoms: list[str], data: st.DataObject
) -> None:
    """Each attempt goes on from a token, tells readers some of what comes, and breaks or is killed behind a token."""
    pieces = [response_of(atom) for atom in atoms]
    expected = stored(*pieces, reasoning=True)
    chunks: list[Chunk] = []
    kept, broke = 0, True
    for attempt in range(5):
        if attempt == 0:
            gathered = Gathered(reasoning=True)
        else:
            gathered = Gathered(reasoning=True, begun=bool(chunks))
            gathered.go_on(stored(*pieces[:kept], reasoning=True), join_chunks(chunks))
        broke = attempt < 4 and data.draw(st.booleans())
        end = data.draw(st.integers(kept, len(atoms))) if broke else len(atoms)
        # What was told last goes into no chunk where the process is killed.
        for number, following in enumerate(pieces[kept:end], kept + 1):
            gathered.add(following)
            if (number == len(atoms) and not broke) or data.draw(st.booleans()):
                chunks += as_chunks(gathered)
        if not broke:
            chunks += as_chunks(gathered)
            break
        kept = data.draw(st.integers(kept, end))
    assert not gathered.diverged
    told_of = join_chunks(chunks)
    assert (told_of.content, told_of.thoughts) == (expected.content, expected.thoughts)
    assert list(told_of.calls) == expected.calls
    assert sum("role" in chunk.delta for chunk in chunks) == bool(chunks)


def as_chunks(gathered: Gathered) -> list[Chunk]:
    if not gathered:
        return []
    return [Chunk(delta=delta, finish=finish, claim=1, expires_at=LATER) for delta, finish in gathered.take()]


@given(atoms=st.lists(ATOMS, min_size=1, max_size=14), data=st.data())
def test_the_rest_of_a_stored_answer_is_what_readers_lack(atoms: list[str], data: st.DataObject) -> None:
    pieces = [response_of(atom) for atom in atoms]
    begun = Gathered(reasoning=True)
    chunks: list[Chunk] = []
    for following in pieces[: data.draw(st.integers(0, len(atoms)))]:
        begun.add(following)
        chunks += as_chunks(begun)
    whole, rest = stored(*pieces, reasoning=True), Gathered(reasoning=True, begun=bool(chunks))
    rest.go_on(whole, join_chunks(chunks))
    assert not rest.diverged
    assert not rest.is_behind
    told_of = join_chunks([*chunks, *as_chunks(rest)])
    assert (told_of.content, told_of.thoughts, list(told_of.calls)) == (whole.content, whole.thoughts, whole.calls)


def test_an_answer_that_goes_on_with_other_words_is_noticed() -> None:
    gathered = Gathered(reasoning=False)
    gathered.go_on(stored(piece("one ")), shown("one two "))
    gathered.add(piece("tw"))
    assert not gathered.diverged
    assert gathered.is_behind
    gathered.add(piece("ice"))
    assert gathered.diverged
    other = Gathered(reasoning=False)
    other.go_on(stored(piece("one ")), shown("uno "))
    assert other.diverged


def test_an_answer_that_goes_on_with_another_call_is_noticed() -> None:
    one, two = response_of("C1"), response_of("C2")
    told_of = Shown("", "", tuple(stored(one).calls))
    again = Gathered(reasoning=False)
    again.go_on(stored(), told_of)
    again.add(two)
    other = Gathered(reasoning=False)
    other.go_on(stored(two), told_of)
    assert again.diverged
    assert other.diverged


def test_thoughts_that_readers_have_are_not_told_again() -> None:
    gathered = Gathered(reasoning=True)
    gathered.go_on(stored(thought("first "), reasoning=True), shown("", "first second"))
    gathered.add(thought("second third"))
    ((delta, _),) = gathered.take()
    assert json.dumps(delta.get("reasoning_content")) == '" third"'


def test_an_answer_that_goes_on_has_no_last_chunk_yet() -> None:
    gathered = Gathered(reasoning=False)
    gathered.add(piece("one", finishReason="CONTINUATION", continuationToken="t"))
    assert gathered.finish is None
    gathered.add(piece("two", finishReason="CONTINUATION"))
    assert gathered.finish == "length"
