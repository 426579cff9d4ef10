"""SIGKILL in the middle of long answers of a model that gives tokens: nothing is lost, doubled or paid twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.chaos.promises import settle
from tests.running import Running

MODEL = "gemini-4-argon"
LONG = "".join(f"{number:07d} " for number in range(100_000))
"""200,000 tokens: four hops, the last of which is short."""
STORING = "POST /upload/storage/v1/b/dropsight-results/o"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running() as system:
        system.model(text=LONG, checkpoint_every=4, thoughts=0)
        yield system


@pytest.fixture(autouse=True)
def undisturbed(running: Running) -> None:
    running.control("DELETE", "/faults")
    running.control("DELETE", "/requests")


def submitted(running: Running, **fields: Any) -> str:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Write it all."}], **fields}
    answer = running.http.post("/v1/llm/generations", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def ended(running: Running, task_id: str) -> dict[str, Any]:
    settle(running, len(running.documents()), seconds=300)
    task: dict[str, Any] = running.http.get(f"/v1/tasks/{task_id}").json()
    assert task["status"] == "completed", task
    return task


def text_of(task: dict[str, Any]) -> str:
    return str(task["results"][0]["choices"][0]["message"]["content"])


def streamed(running: Running, task_id: str) -> str:
    """The text of the task's stream, read once from its beginning to its end."""
    pieces: list[str] = []
    with running.http.stream("GET", f"/v1/llm/generations/{task_id}/stream", timeout=None) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            block = json.loads(line.removeprefix("data: "))
            assert "error" not in block, block
            pieces += [choice["delta"].get("content") or "" for choice in block["choices"]]
    return "".join(pieces)


def stored_rounds(running: Running, task_id: str) -> int:
    """How many calls have a record of their own, as those have that came to the end of a hop."""
    names = [blob.name for blob in running.results.list_blobs(prefix=f"tasks/{task_id}/answer-")]
    return sum(name.rpartition("/")[2].count("-") == 2 for name in names)


def paid(running: Running, name: str) -> int:
    return sum(int(call.get(name, 0)) for call in running.calls("gemini", "enerateContent"))


def test_a_long_answer_is_whole_in_as_many_calls_as_it_has_hops(running: Running) -> None:
    task = ended(running, submitted(running))
    assert text_of(task) == LONG
    assert len(running.model_calls(answered=False)) == 4
    assert paid(running, "answer_tokens") == task["usage"]["completion_tokens"] == 200_000


def test_kills_in_the_middle_of_a_long_streamed_answer_cost_one_request_each(running: Running) -> None:
    """Six kills, each some pieces further on than the last: a task without progress would be given up."""
    kills = 6
    for number in range(kills):
        moment = "before" if number % 2 else "after"
        running.fault("storage", STORING, skip=3 * number + 2, kill=moment, times=1)
    task_id = submitted(running, stream=True)
    with ThreadPoolExecutor(1) as reader:
        reading = reader.submit(streamed, running, task_id)
        task = ended(running, task_id)
        text = reading.result()
    assert running.control("GET", "/faults") == [], "a kill was never reached"
    assert text_of(task) == LONG
    assert text == LONG, "readers of the stream have lost or doubled text"
    calls = running.calls("gemini", "enerateContent")
    assert len(calls) == stored_rounds(running, task_id) + kills
    # Nothing that is stored is counted twice; the stand-in rounds each call's tokens up.
    assert 200_000 <= task["usage"]["completion_tokens"] <= 200_000 + len(calls)
    assert task["usage"]["prompt_tokens"] == len(calls) * int(calls[0]["prompt_tokens"])
