"""The stand-in's vectors: the same for the same words, near for texts that share words, with the service's limits."""

from __future__ import annotations

import math
from operator import mul
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors, types

from tests.local.standins.gemini.conftest import Running

MODEL = "gemini-embedding-2"
SAMPLES = Path(__file__).parents[3] / "samples"


def vectors(running: Running, *texts: str, model: str = MODEL, **config: Any) -> list[list[float]]:
    contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
    answer = running.client.models.embed_content(
        model=model,
        contents=contents,
        config=types.EmbedContentConfig.model_validate(config),
    )
    return [embedding.values or [] for embedding in answer.embeddings or []]


def product(first: list[float], second: list[float]) -> float:
    return float(sum(map(mul, first, second)))


def test_texts_that_share_words_are_nearer_than_others(shared: Running) -> None:
    query, near, far = vectors(
        shared,
        "task: search result | query: water for green tea",
        "title: none | text: Green tea wants cooler water.",
        "title: none | text: Pistons turn the shaft.",
        output_dimensionality=768,
    )
    assert [len(vector) for vector in (query, near, far)] == [768] * 3
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-6) for vector in (query, near, far))
    assert product(query, near) > 0.3 > product(query, far)


def test_the_same_text_has_the_same_vector_in_full_length(shared: Running) -> None:
    first, second = vectors(shared, "tea", "tea")
    assert first == second
    assert len(first) == 3072
    assert len(vectors(shared, "tea", model="gemini-embedding-001", task_type="CLUSTERING")[0]) == 3072


def test_several_parts_of_one_content_are_one_text(shared: Running) -> None:
    answer = shared.client.models.embed_content(
        model=MODEL, contents=[types.Content(parts=[types.Part(text="tea"), types.Part(text="milk")])]
    )
    assert len(answer.embeddings or []) == 1
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.prompt_token_count == 2


def test_one_text_can_be_sent_without_a_batch(shared: Running) -> None:
    body = {"content": {"parts": [{"text": "tea"}]}, "outputDimensionality": 128}
    answer = shared.wire.post(f"/v1beta/models/{MODEL}:embedContent", json=body).json()
    assert len(answer["embedding"]["values"]) == 128


@pytest.mark.parametrize(
    ("texts", "config", "message"),
    [
        (["tea"] * 101, {}, "at most 100 requests"),
        (["tea"], {"output_dimensionality": 4000}, "must be from 1 to 3072"),
    ],
)
def test_what_is_too_much_is_refused(shared: Running, texts: list[str], config: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ClientError, match=message):
        vectors(shared, *texts, **config)


def of_media(running: Running, *parts: types.Part) -> list[float]:
    answer = running.client.models.embed_content(model=MODEL, contents=[types.Content(parts=list(parts))])
    [embedding] = answer.embeddings or []
    return embedding.values or []


def inline(name: str, mime_type: str) -> types.Part:
    return types.Part.from_bytes(data=(SAMPLES / name).read_bytes(), mime_type=mime_type)


def test_the_same_bytes_have_the_same_vector_and_others_another(shared: Running) -> None:
    photo, picture = inline("photo.jpg", "image/jpeg"), inline("picture.png", "image/png")
    assert of_media(shared, photo) == of_media(shared, photo) != of_media(shared, picture)


def test_a_content_has_six_pictures_at_most(shared: Running) -> None:
    with pytest.raises(errors.ClientError, match="at most 6 images"):
        of_media(shared, *[inline("picture.png", "image/png")] * 7)


def test_a_model_for_words_makes_no_vectors(shared: Running) -> None:
    with pytest.raises(errors.ClientError, match="is not supported for embedContent"):
        vectors(shared, "tea", model="gemini-3.5-flash-lite")
