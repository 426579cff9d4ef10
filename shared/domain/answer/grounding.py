"""Join the grounding of an answer's pieces: a later piece may repeat earlier chunks, add to them, or name others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

Json = dict[str, JsonValue]

_CHUNKS, _SUPPORTS, _INDICES = "groundingChunks", "groundingSupports", "groundingChunkIndices"


def joined_grounding(pieces: Sequence[JsonValue]) -> JsonValue:
    """Return one `groundingMetadata` with all chunks and supports of the pieces' own, oldest first; None without any.

    Each chunk occurs once, in the order of its first mention.
    """
    named = [piece for piece in pieces if isinstance(piece, dict) and piece]
    if len(named) < 2:
        return named[0] if named else None
    chunks, supports = dict[str, int](), dict[str, Json]()
    gathered: list[Json] = []
    joined: Json = {}
    for piece in named:
        joined |= piece
        places = dict[int, int]()
        for number, chunk in enumerate(_objects(piece.get(_CHUNKS))):
            key = json.dumps(chunk, sort_keys=True)
            if key not in chunks:
                chunks[key] = len(gathered)
                gathered.append(chunk)
            places[number] = chunks[key]
        for support in _objects(piece.get(_SUPPORTS)):
            moved = _moved(support, places)
            supports[json.dumps(moved, sort_keys=True)] = moved
    return {**joined, _CHUNKS: cast(JsonValue, gathered), _SUPPORTS: cast(JsonValue, list(supports.values()))}


def grounding_of_answers(answers: Sequence[JsonValue]) -> JsonValue:
    """Return the joined `groundingMetadata` of answers that stand by themselves.

    An answer that does not say which of its chunks its words are based on is based on all of them.
    """
    return joined_grounding([_with_support(answer) for answer in answers])


def _with_support(answer: JsonValue) -> JsonValue:
    if not isinstance(answer, dict) or not answer.get(_CHUNKS):
        return answer
    supports = _objects(answer.get(_SUPPORTS))
    if any(support.get(_INDICES) for support in supports):
        return answer
    whole: Json = {_INDICES: list(range(len(_objects(answer[_CHUNKS]))))}
    return {**answer, _SUPPORTS: cast(JsonValue, [*supports, whole])}


def _moved(support: Json, places: dict[int, int]) -> Json:
    """Return the support with its chunks' places in the whole; a piece without chunks of its own names earlier ones."""
    indices = support.get(_INDICES)
    if not isinstance(indices, list):
        return support
    moved = [places.get(index, index) if isinstance(index, int) else index for index in indices]
    return {**support, _INDICES: cast(JsonValue, moved)}


def _objects(value: JsonValue) -> list[Json]:
    """Return a list's items in their places. An item that is not an object is replaced by an empty one."""
    return [item if isinstance(item, dict) else {} for item in value] if isinstance(value, list) else []
