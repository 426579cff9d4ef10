"""Sound, pictures and vectors in an answer: stored as objects of their own, which the answer's record names.

inlineData, base64 ─▶ `take_out` ─▶ bytes, stored first ─▶ `storedData {name, mimeType, size}` in the record
                   ─▶ cannot be kept            ─▶ `unusable`, why, in the record: the task fails
"""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.domain.answer import response as answer
from shared.domain.answer.response import Json
from shared.domain.checks.rounds import CompleteAnswer, Failed, Step
from shared.domain.recipe.making import Makes

VECTORS = "application/x-float64"
"""Vectors one after the other, in numbers of 64 bits, the lowest byte first."""
SPEECH_RATE = 24_000
"""Samples a second of Gemini's speech: 16 bits, one channel."""
MAX_BYTES = 64 << 20
"""Of one answer. The longest speech of a call, 16,384 tokens at 25 a second, has half of it."""
_RATE = re.compile(r"rate=(\d+)")
_WAVE = ("audio/wav", "audio/x-wav", "audio/wave")
_WORDS: dict[Makes, str] = {"speech": "speech", "embedding": "vectors", "picture": "picture"}


class CannotBeKept(ValueError):
    """An answer has more bytes than are kept, or some that cannot be read. Its text follows on "Gemini's answer …"."""


class Piece(NamedTuple):
    mime_type: str
    data: bytes


class StoredPiece(NamedTuple):
    """A part of an answer that is an object of the results bucket."""

    name: str
    mime_type: str
    size: int

    @property
    def rate(self) -> int:
        """Return the samples a second of a sound."""
        found = _RATE.search(self.mime_type)
        return int(found[1]) if found else SPEECH_RATE


def take_out(response: Json) -> list[Piece]:
    """Return what the first candidate has inline. Sound that came in several parts is one piece.

    Takes long for long sounds: call it in a thread. Raises `CannotBeKept`.
    """
    gathered: list[tuple[str, list[bytes]]] = []
    left = MAX_BYTES
    for blob in _blobs(response):
        mime_type, data = str(blob.get("mimeType") or ""), _decoded(str(blob.get("data") or ""))
        left -= len(data)
        if left < 0:
            raise CannotBeKept(f"has more than {MAX_BYTES >> 20} MiB")
        if mime_type.startswith("audio/") and gathered and gathered[-1][0] == mime_type:
            gathered[-1][1].append(data)
        else:
            gathered.append((mime_type, [data]))
    return [_as_samples(Piece(mime_type, b"".join(parts))) for mime_type, parts in gathered]


def with_stored(response: Json, stored: Sequence[StoredPiece]) -> Json:
    """Return the response with the names of what was taken out of it, in its place."""
    first, *others = answer.candidates(response)
    kept: list[JsonValue] = [part for part in answer.parts(first) if "inlineData" not in part]
    kept += [{"storedData": {"name": piece.name, "mimeType": piece.mime_type, "size": piece.size}} for piece in stored]
    candidate: Json = {**first, "content": {"role": "model", "parts": kept}}
    return {**response, "candidates": cast(JsonValue, [candidate, *others])}


def unusable(response: Json, why: str) -> Json:
    """Return a response that was paid for, without what it has inline. `why` follows on "Gemini's answer …"."""
    bare = with_stored(response, ()) if answer.candidates(response) else response
    return {**bare, "unusable": why}


def stored_pieces(response: Json) -> list[StoredPiece]:
    """Return the pieces that a stored response names."""
    found = (part["storedData"] for candidate in answer.candidates(response)[:1] for part in answer.parts(candidate)
             if "storedData" in part)  # fmt: skip
    return [
        StoredPiece(str(data["name"]), str(data["mimeType"]), cast(int, data["size"]))
        for data in found
        if isinstance(data, dict)
    ]


def step_of_making(step: Step | None, makes: Makes, response: Json) -> Step | None:
    """Return the step as it is for something else than words: words alone are a failure, with what they say."""
    if why := response.get("unusable"):
        return Failed("upstream_error", f"Gemini's answer {why}: no {_WORDS[makes]} can be made of it.")
    if isinstance(step, CompleteAnswer) and not stored_pieces(response):
        words = " ".join(step.text.split())[:300]
        return Failed("empty_answer", f"Gemini made no {_WORDS[makes]}. It answered: “{words}”")
    if isinstance(step, Failed) and step.code in ("empty_answer", "content_policy_violation"):
        return Failed(step.code, f"No {_WORDS[makes]} was made. {step.message}")
    return step


def described(makes: Makes, pieces: Iterable[StoredPiece], model: str, dimensions: int) -> str:
    """Return a sentence that stands for what was made where an answer in words would stand."""
    made = list(pieces)
    if makes == "speech":
        seconds = round(sum(piece.size / 2 / piece.rate for piece in made))
        return f"The text was read aloud by {model}: {seconds // 60}:{seconds % 60:02} minutes."
    if makes == "picture":
        return f"{model} made {'a picture' if len(made) == 1 else f'{len(made)} pictures'}."
    count = sum(piece.size for piece in made) // 8 // dimensions
    return f"{model} made {count:,} vector{'' if count == 1 else 's'} of {dimensions:,} dimensions."


def _blobs(response: Json) -> Iterable[Json]:
    for candidate in answer.candidates(response)[:1]:
        for part in answer.parts(candidate):
            if isinstance(blob := part.get("inlineData"), dict) and not part.get("thought"):
                yield blob


def _decoded(text: str) -> bytes:
    """Decode base64 of either alphabet: the service writes one, the SDK the other."""
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4))
    except ValueError as error:
        raise CannotBeKept("has data that are not base64") from error


def _as_samples(piece: Piece) -> Piece:
    """Return a WAV as its bare samples, as speech comes otherwise."""
    if piece.mime_type.partition(";")[0] not in _WAVE:
        return piece
    try:
        with wave.open(io.BytesIO(piece.data)) as sound:
            return Piece(f"audio/L16;rate={sound.getframerate()}", sound.readframes(sound.getnframes()))
    except (wave.Error, EOFError) as error:
        raise CannotBeKept(f"has a WAV that cannot be read ({str(error) or 'it is cut off'})") from error
