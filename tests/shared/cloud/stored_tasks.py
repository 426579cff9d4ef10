"""Tasks for the tests of what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.cloud.firestore import Stored, Tasks
from shared.domain.money.ledger import Ledger
from shared.domain.tasks import claims
from shared.domain.tasks.claims import Outcome
from shared.domain.tasks.task import (
    Callback,
    GeminiFile,
    Pointer,
    Ran,
    Source,
    Task,
    TaskError,
    Waiting,
    new_task,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


LEASE = timedelta(seconds=60)


DONE = Outcome(results=({"id": "chatcmpl-1"},))


def make(name: str = "a.txt", *, generation: int = 1, bucket: str = "inbox", created_at: datetime = NOW) -> Task:
    source = Source(
        kind="object", bucket=bucket, name=name, generation=generation, size=3, created_at=created_at
    )  # fmt: skip
    return new_task(source, owner=f"inbox:{bucket}", model="m", now=NOW, keep=timedelta(days=30))


async def stored(tasks: Tasks, task: Task) -> Stored:
    await tasks.create(task)
    found = await tasks.get(task.id)
    assert found is not None
    return found


def claimed(task: Task) -> Task:
    return claims.claim(task, now=NOW, lease=LEASE)


def full_task() -> Task:
    """Return a task with something in every field."""
    nested = {"type": "object", "matrix": [[1, 2], [3]], "text": "é\u2028"}
    return make("folder/ä b.txt").model_copy(
        update={
            "status": "processing",
            "progress": 40,
            "started_at": NOW,
            "completed_at": NOW,
            "stream": True,
            "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "metadata": {"a.b": "1", "`": "2", "with space/slash": "", "é": "x"},
            "waiting": Waiting(reason="rate_limited", until=NOW, detail="d"),
            "waited": Waiting(reason="blocked", until=NOW),
            "waiting_since": NOW,
            "results": ({"choices": [{"message": {"content": None, "x": 1.5, "y": [True, {"z": 2**53}]}}]}, {}),
            "results_pointer": Pointer(name="n", size=1, sha256="0"),
            "usage": {"prompt_tokens": 1, "prompt_tokens_by_modality": {"audio": 3}},
            "error": TaskError(code="upstream_error", message="m"),
            "warnings": ("w",),
            "outputs": ("gs://results/x",),
            "children": ("task-llm-1767225600-abcdefgh",),
            "callback": Callback(url="https://example.org/", attempts=2, last_status=500, last_error="e"),
            "ran": Ran(recipe="r", sha256="0", snapshot={"response_schema": nested}, origin="gs://b/o#1"),
            "request": Pointer(name="api/x.json", size=2, sha256="1"),
            "token": 3,
            "lease_until": NOW,
            "epoch": 2,
            "attempts": 4,
            "outages": 3,
            "takeovers": 2,
            "asked_lately": True,
            "files": (GeminiFile(name="files/x", uri="u", mime_type="t", expires_at=NOW, input=1),),
            "stored_chunks": 9,
            "service_tier": "flex",
            "ledger": Ledger().with_seconds("model", 1.5).with_upload(3).with_attempt(1, NOW, "flex", "busy"),
            "after": ("publish", "callback"),
            "change": "nonce",
        }
    )
