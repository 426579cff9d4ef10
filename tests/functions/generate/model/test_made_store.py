"""What an answer has inline is stored however often it takes, and the log quotes nothing of it."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.generate.lease import Lease
from functions.generate.model.made_store import store_pieces
from shared.dependencies import GenerateDeps
from shared.domain.answer.made import StoredPiece, stored_pieces
from shared.domain.answer.response import Json


async def test_an_error_of_storing_is_described_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    errors = [ValueError("Once upon a time")]

    async def write(*arguments: Any, **options: Any) -> None:
        if errors:
            raise errors.pop()

    async def sleep(seconds: float) -> None:
        """Go on at once."""

    deps = SimpleNamespace(
        storage=SimpleNamespace(write=write),
        clock=SimpleNamespace(sleep=sleep),
        settings=SimpleNamespace(results_bucket="results"),
    )
    lease = SimpleNamespace(task=SimpleNamespace(id="task-1"), token=1)
    blob: Json = {"mimeType": "image/png", "data": base64.b64encode(b"picture").decode()}
    response: Json = {"candidates": [{"content": {"parts": [{"inlineData": blob}]}}]}
    stored = await store_pieces(cast(GenerateDeps, deps), cast(Lease, lease), 0, response)
    assert stored_pieces(stored) == [StoredPiece("tasks/task-1/made-000001-000-000", "image/png", 7)]
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "Once upon a time" not in logged
