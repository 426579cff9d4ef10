"""Vectors as they are published: one for each window of a text and each page without text, all of length 1."""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Sequence

from shared.domain.answer.response import Json
from shared.domain.recipe.question import Window

Vector = list[float]


def read_vectors(data: bytes, dimensions: int) -> list[Vector]:
    """Return the stored vectors, each made of length 1: models do so for their full length only."""
    numbers = array("d", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return [
        normalised(list(numbers[start : start + dimensions])) for start in range(0, len(numbers), dimensions)
    ]  # fmt: skip


def normalised(vector: Vector) -> Vector:
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def mean(vectors: Sequence[Vector]) -> Vector:
    """Return the vector of length 1 that stands for all of them."""
    return normalised([math.fsum(column) for column in zip(*vectors, strict=True)])


def vectors_file(
    windows: Sequence[Window], vectors: Sequence[Vector], *, model: str, dimensions: int, task_type: str
) -> bytes:
    """Return the published JSON. Numbers have seven digits, as those of 32 bits do."""
    chunks: list[Json] = [
        {**_place(window), "vector": [float(f"{value:.7g}") for value in vector]}
        for window, vector in zip(windows, vectors, strict=True)
    ]
    about = {"model": model, "dimensions": dimensions, "task_type": task_type, "normalised": True}
    return json.dumps({**about, "chunks": chunks}, ensure_ascii=False).encode("utf-8", "replace")


def _place(window: Window) -> Json:
    return window.model_dump(exclude={"page"}) if window.page is None else {"page": window.page}
