"""A response in pieces: how an answer is cut into chunks, and the two forms in which they go over the wire."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import AsyncIterator
from typing import Any

from local.standins.gemini.behaviour import Behaviour
from local.standins.gemini.continuation import length_of, token_at
from local.standins.gemini.errors import planted
from local.standins.gemini.generation import Candidate, Generation, Part, finish_fields
from local.standins.gemini.tokens import CHARACTERS_PER_TOKEN
from shared.clock import Clock

_CHUNK_CHARACTERS = 200
_MAX_CHUNKS = 400
Chunk = dict[str, Any]


def chunks(generation: Generation, behaviour: Behaviour) -> list[Chunk]:
    """Split a response into chunks.

    A candidate's last chunk has its finish reason; the very last one, the whole usage.
    """
    usage = generation.usage()
    so_far = {name: usage[name] for name in ("promptTokenCount", "promptTokensDetails")}
    so_far["totalTokenCount"] = usage["promptTokenCount"]
    envelope = generation.envelope()
    pieces = [piece for candidate in generation.candidates for piece in _pieces(candidate, behaviour)]
    answered = itertools.accumulate(map(_characters, pieces))
    chunk_list: list[Chunk] = [
        {"candidates": [piece], "usageMetadata": _running(so_far, characters), **envelope}
        for piece, characters in zip(pieces, answered, strict=True)
    ]
    chunk_list = chunk_list or [envelope]
    chunk_list[-1] = {**chunk_list[-1], "usageMetadata": usage}
    return chunk_list


def _characters(piece: dict[str, Any]) -> int:
    parts = piece["content"].get("parts", [])
    return sum(len(part.get("text", "")) for part in parts if not part.get("thought"))


def _running(so_far: dict[str, Any], characters: int) -> dict[str, Any]:
    """Return the usage midway: the prompt, and the answer's tokens so far."""
    tokens = math.ceil(characters / CHARACTERS_PER_TOKEN)
    if not tokens:
        return so_far
    total = so_far["promptTokenCount"] + tokens
    return {**so_far, "candidatesTokenCount": tokens, "totalTokenCount": total}


def _pieces(candidate: Candidate, behaviour: Behaviour) -> list[dict[str, Any]]:
    parts = [piece for part in candidate.parts for piece in _split(part, behaviour.chunks)]
    pieces: list[dict[str, Any]] = [
        {"content": {"parts": [part], "role": "model"}, "index": candidate.index} for part in parts
    ]
    pieces = pieces or [{"content": {"role": "model"}, "index": candidate.index}]
    if candidate.digest is not None and behaviour.checkpoint_every is not None:
        _add_checkpoints(pieces, candidate.start, candidate.digest, behaviour.checkpoint_every)
    pieces[-1] |= finish_fields(candidate)
    return pieces


def _add_checkpoints(pieces: list[dict[str, Any]], start: int, digest: str, every: int) -> None:
    """Add a continuation token to every `every`-th piece except the last."""
    at = start
    for number, piece in enumerate(pieces[:-1], 1):
        at += sum(map(length_of, piece["content"].get("parts", [])))
        if number % every == 0:
            piece["continuationToken"] = token_at(digest, at)


def _split(part: Part, chunk_count: int | None) -> list[Part]:
    """Split a text part into pieces, the last of which carries the signature. Other parts stay whole."""
    if not part.get("text") or part.get("thought") or "audioTranscription" in part:
        return [part]
    text = part["text"]
    count = chunk_count or min(_MAX_CHUNKS, max(2, math.ceil(len(text) / _CHUNK_CHARACTERS)))
    edges = [len(text) * step // count for step in range(count + 1)]
    pieces: list[Part] = [
        {"text": text[begin:end]} for begin, end in itertools.pairwise(edges) if chunk_count or begin < end
    ]
    pieces[-1] = {**part, **pieces[-1]}
    return pieces


async def paced(chunk_list: list[Chunk], behaviour: Behaviour, clock: Clock) -> AsyncIterator[Chunk]:
    """Yield the chunks spread over the latency, and end early or with an error as the behaviour says."""
    for number, chunk in enumerate(chunk_list):
        if number == behaviour.end_after:
            return
        if number == behaviour.error_after:
            break
        await clock.sleep(behaviour.latency / len(chunk_list))
        yield chunk
    if behaviour.error_after is not None:
        yield planted(behaviour.error_status, None, behaviour.error_message).body()


async def as_events(paced_chunks: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
    """Encode chunks as server-sent events, for `alt=sse`."""
    async for chunk in paced_chunks:
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode()


async def as_array(paced_chunks: AsyncIterator[Chunk]) -> AsyncIterator[bytes]:
    """Encode chunks as the elements of one JSON array."""
    opening = "["
    async for chunk in paced_chunks:
        yield f"{opening}{json.dumps(chunk, ensure_ascii=False)}\n".encode()
        opening = ",\r\n"
    yield b"]"
