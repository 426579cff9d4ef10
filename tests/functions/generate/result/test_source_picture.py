"""The picture on which boxes are drawn: the generation that the model saw, and why one could not be drawn on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from functions.generate.result.source_inputs import generation_seen
from functions.generate.result.source_picture import _why
from shared.domain.tasks.task import GeminiFile, Source, Task, new_task
from shared.sandbox import SandboxCrashed, SandboxError, SandboxOutOfMemory, SandboxTimeout

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = Source(kind="request", bucket="requests", name="a", generation=1, size=3, created_at=NOW)


def a_task(*sources: str) -> Task:
    task = new_task(SOURCE, owner="key:k", model="m", now=NOW, keep=timedelta(days=30))
    files = tuple(
        GeminiFile(name=f"files/{index}", uri="u", mime_type="image/png", expires_at=NOW, source=source)
        for index, source in enumerate(sources)
    )
    return task.model_copy(update={"files": files})


def test_the_generation_that_was_uploaded_is_the_one_to_draw_on() -> None:
    seen = [file.source for file in a_task("gs://inbox/a.png#7", "gs://inbox/b#1.png#8", "").files]
    assert generation_seen(seen, "gs://inbox/a.png") == 7
    assert generation_seen(seen, "gs://inbox/b#1.png") == 8
    assert generation_seen(seen, "gs://inbox/c.png") is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SandboxTimeout("x"), "takes too long"),
        (SandboxOutOfMemory("x"), "more memory than there is"),
        (SandboxCrashed("x"), "more memory than there is"),
        (SandboxError("x"), "could not be decoded"),
    ],
)
def test_each_way_in_which_drawing_fails_has_its_sentence(error: SandboxError, reason: str) -> None:
    assert reason in _why(error)
