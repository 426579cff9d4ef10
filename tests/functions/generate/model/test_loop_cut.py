"""An answer that repeats itself over and over is cut off while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from functions.generate.model.loop_cut import cut_at_loops
from shared.domain.answer import response as answer
from shared.domain.answer.response import Json

LINE = "The meeting went on about the same matter for another hour. "


def piece(text: str) -> Json:
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}


class Arriving:
    """The pieces of an answer, as a stream that notes whether it was closed."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.given, self.closed = texts, 0, False

    async def pieces(self) -> AsyncGenerator[Json]:
        try:
            for text in self.texts:
                self.given += 1
                yield piece(text)
        finally:
            self.closed = True


async def test_an_answer_without_a_loop_passes_unchanged() -> None:
    arriving = Arriving("One. ", "Two. ", "Three.")
    assert [got async for got in cut_at_loops(arriving.pieces())] == [piece(text) for text in arriving.texts]
    assert arriving.closed


async def test_an_answer_in_a_loop_is_closed_early_and_its_last_piece_says_so() -> None:
    arriving = Arriving(*[LINE * 10] * 500)
    got = [one async for one in cut_at_loops(arriving.pieces())]
    assert arriving.given < len(arriving.texts)
    assert arriving.closed
    assert got[:-1] == [piece(LINE * 10)] * arriving.given
    assert [answer.finish_reason(last) for last in answer.candidates(got[-1])] == ["MAX_TOKENS"]
    assert got[-1]["cutBy"] == "loop"
