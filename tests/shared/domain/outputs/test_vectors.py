"""Vectors are published and averaged as vectors of length 1."""

from __future__ import annotations

import json
from array import array

import pytest

from shared.domain.outputs.vectors import mean, read_vectors, vectors_file
from shared.domain.recipe.question import Window


def test_stored_vectors_come_back_with_a_length_of_one() -> None:
    assert read_vectors(array("d", [3.0, 4.0, 0.0, 2.0]).tobytes(), 2) == [[0.6, 0.8], [0.0, 1.0]]
    assert read_vectors(array("d", [0.0, 0.0]).tobytes(), 2) == [[0.0, 0.0]]


def test_the_mean_points_between_its_vectors() -> None:
    assert mean([[1.0, 0.0], [0.0, 1.0]]) == pytest.approx([0.70710678, 0.70710678])
    assert mean([[0.6, 0.8]]) == pytest.approx([0.6, 0.8])


def test_the_file_has_the_text_of_each_vector() -> None:
    window = Window(start=3, end=8, text="Tea é")
    file = json.loads(vectors_file([window], [[1 / 3, 0.5]], model="m", dimensions=2, task_type="CLUSTERING"))
    assert file["chunks"] == [{"start": 3, "end": 8, "text": "Tea é", "vector": [0.3333333, 0.5]}]
    assert (file["model"], file["dimensions"], file["task_type"]) == ("m", 2, "CLUSTERING")
