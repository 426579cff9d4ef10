"""Vectors as the service sends them, in the form in which answers are kept; what is not whole is no answer."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local.standins.gemini import GeminiStandIn
from local.standins.gemini.embeddings import vector_of
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.embeddings import embed
from shared.cloud.gemini import Gemini
from shared.domain.answer.made import VECTORS, take_out
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure
from shared.domain.recipe.making import Embedding, embedding_body

MODEL = "gemini-embedding-2"


@pytest_asyncio.fixture
async def gemini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gemini]:
    clock = MovableClock(tmp_path / "clock")
    standin = GeminiStandIn(clock=clock, data=None, tap=Tap(), invalid_keys=frozenset({"bad"}))
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"http://127.0.0.1:{await standin.start()}")
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    client = Gemini("a-key", clock, threads=1)
    yield client
    await client.aclose()
    client._threads.shutdown()
    await standin.stop()


def body_of(*texts: str, dimensions: int = 256) -> Json:
    return embedding_body(Embedding(dimensions=dimensions), MODEL, texts)


async def test_each_text_has_a_vector_of_its_own(gemini: Gemini) -> None:
    answer = await gemini.embed(MODEL, body_of("Green tea", "An engine"), timeout=30)
    [piece] = take_out(answer)
    assert piece.mime_type == VECTORS
    numbers = list(array("d", piece.data))
    assert numbers == [*vector_of("Green tea", 256), *vector_of("An engine", 256)]
    usage = answer["usageMetadata"]
    assert isinstance(usage, dict)
    assert usage["promptTokenCount"] == 16


async def test_what_the_service_refuses_fails_for_good(gemini: Gemini) -> None:
    with pytest.raises(PermanentFailure, match="at most 100 requests"):
        await gemini.embed(MODEL, body_of(*["tea"] * 101), timeout=30)


async def test_another_length_than_was_asked_for_is_a_billed_answer_that_cannot_be_used(
    gemini: Gemini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.standins.gemini.embeddings.vector_of", lambda text, dimensions: [1.0])
    answer = await embed(gemini._client, MODEL, body_of("tea"), timeout=30)
    assert answer["unusable"] == "has vectors of 1 dimensions"
    assert take_out(answer) == []
    assert answer["usageMetadata"] == {
        "promptTokenCount": 6,
        "totalTokenCount": 6,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 6}],
    }
