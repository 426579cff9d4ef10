"""Publish the speech, vectors or pictures that a task's rounds have made, from where they were stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import assert_never

from functions.generate.model.answer_store import load_answers
from shared.dependencies import GenerateDeps
from shared.domain.answer.continuation import whole_records
from shared.domain.answer.made import StoredPiece, stored_pieces
from shared.domain.errors import TransientFailure
from shared.domain.outputs import File, Rendered
from shared.domain.outputs.sound import WavJoin, with_soft_edges
from shared.domain.outputs.vectors import Vector, mean, read_vectors, vectors_file
from shared.domain.recipe.definition import Recipe
from shared.domain.stored_rounds import Round, counted_rounds, round_of
from shared.domain.tasks.task import Task
from shared.off_loop import off_loop

_PIECE_BYTES = 4 << 20


async def made_files(deps: GenerateDeps, task: Task) -> Rendered:
    """Return the files of a task whose recipe makes something else than words."""
    assert task.ran is not None
    recipe = Recipe.model_validate(task.ran.snapshot)
    records = await off_loop(whole_records, await load_answers(deps, task), deps.clock.now())
    rounds = pieces_by_question(counted_rounds(round_of(record) for record in records))
    pieces = [piece for _, made in rounds for piece in made]
    match recipe.makes:
        case "speech":
            return _wav(deps, pieces)
        case "picture":
            return await _pictures(deps, pieces)
        case "embedding":
            return await _vectors(deps, task, recipe, rounds)
        case None:
            return Rendered({}, ())
        case _:
            assert_never(recipe.makes)


def pieces_by_question(rounds: Iterable[Round]) -> list[tuple[Round, list[StoredPiece]]]:
    """Return the last round of each question with what it made, in the order of the questions."""
    last = {entry.question.name: entry for entry in rounds}
    return [(entry, stored_pieces(entry.response)) for entry in last.values()]


def _wav(deps: GenerateDeps, pieces: Sequence[StoredPiece]) -> Rendered:
    foreign = next((piece.mime_type for piece in pieces if not piece.mime_type.lower().startswith("audio/l16")), None)
    if foreign is not None or len({piece.rate for piece in pieces}) > 1:
        return Rendered({}, (f"No .wav was made: Gemini's sound is {foreign or 'of several rates'}.",))
    join = WavJoin(rate=pieces[0].rate, sizes=tuple(piece.size for piece in pieces))
    return Rendered({"wav": File(b"", "audio/wav", partial(_wav_bytes, deps, pieces, join))}, ())


async def _wav_bytes(deps: GenerateDeps, pieces: Sequence[StoredPiece], join: WavJoin) -> AsyncIterator[bytes]:
    """Yield the WAV, some MiB at a time."""
    yield join.header()
    for piece in pieces:
        for start in range(0, join.even(piece.size), _PIECE_BYTES):
            length = min(_PIECE_BYTES, join.even(piece.size) - start)
            data = await _read(deps, piece, start, length)
            ends = start + length == join.even(piece.size)
            yield with_soft_edges(data, first=start == 0, last=ends, rate=join.rate)


async def _pictures(deps: GenerateDeps, pieces: Sequence[StoredPiece]) -> Rendered:
    """Return the pictures; of several, the second is numbered 2."""
    files: dict[str, File] = {}
    for number, piece in enumerate(pieces, 1):
        kind = piece.mime_type.partition(";")[0].rpartition("/")[2]
        ending = {"png": "png", "jpeg": "jpg", "webp": "webp"}.get(kind)
        if ending is not None:
            name = ending if number == 1 else f"{number}.{ending}"
            files[name] = File(await _read(deps, piece, 0, piece.size), piece.mime_type.partition(";")[0])
    missing = len(pieces) - len(files)
    return Rendered(files, (f"{missing} of {len(pieces)} pictures are of an unknown type.",) if missing else ())


async def _vectors(
    deps: GenerateDeps, task: Task, recipe: Recipe, rounds: Sequence[tuple[Round, list[StoredPiece]]]
) -> Rendered:
    """Return the file of all vectors. One of them, or their mean, goes into the task's document."""
    assert recipe.embedding is not None
    settings = recipe.embedding
    windows = [window for entry, _ in rounds for window in entry.question.windows]
    vectors: list[Vector] = []
    for _, pieces in rounds:
        for piece in pieces:
            data = await _read(deps, piece, 0, piece.size)
            vectors += await off_loop(read_vectors, data, settings.dimensions)
    encode = partial(
        vectors_file, windows, vectors, model=recipe.model, dimensions=settings.dimensions, task_type=settings.task_type
    )
    await deps.tasks.set_vector(task.id, await off_loop(mean, vectors))
    return Rendered({"embeddings.json": File(await off_loop(encode), "application/json")}, ())


async def _read(deps: GenerateDeps, piece: StoredPiece, start: int, length: int) -> bytes:
    data = await deps.storage.read(deps.settings.results_bucket, piece.name, start=start, length=length)
    if data is None or len(data) != length:
        raise TransientFailure(f"{piece.name} could not be read")
    return data
