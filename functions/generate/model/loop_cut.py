"""Close the stream of an answer that repeats itself, since every token to the model's limit would be billed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from shared.cloud.telemetry import log
from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.checks.loop_watch import LoopWatch
from shared.domain.checks.rounds import cut_in_loop
from shared.domain.models.text_tokens import CHARACTERS_PER_TOKEN


async def cut_at_loops(pieces: AsyncGenerator[Json]) -> AsyncGenerator[Json]:
    """Yield an answer's pieces. If it repeats itself in a loop, yield a piece that says so, and close the stream."""
    watch, characters = LoopWatch(), 0
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
            text = "".join(answer.text(candidate) for candidate in answer.candidates(piece)[:1])
            characters += len(text)
            if (phrase := watch.add(text)) is not None:
                log("WARNING", "loop_cut", "the answer repeats itself over and over: its stream was closed")
                yield cut_in_loop(phrase, characters // CHARACTERS_PER_TOKEN)
                return
