"""SIGKILL while the documents of a bundle are handed over: each becomes one task, whatever was written already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.chaos.promises import settle
from tests.pdf_text import pdf_with_text
from tests.running import Running

RECIPES = b'[[recipe]]\nname = "post"\nuse = "split-bundle"\nfor = {}\ndocument_recipe = "classify"\n'
INBOXES = '{"dropsight-inbox": {"recipes": "gs://dropsight-source/recipes/inbox.toml", "documents": true}}'
STACK = pdf_with_text([[f"Sheet {number}"] for number in range(1, 6)])


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running(DROPSIGHT_INBOXES=INBOXES) as system:
        system.bucket("dropsight-source").blob("recipes/inbox.toml").upload_from_string(RECIPES)
        yield system


@pytest.mark.parametrize(("moment", "skip"), [("after", 0), ("before", 1), ("after", 1)])
def test_a_kill_between_two_documents_makes_no_task_twice(running: Running, moment: str, skip: int) -> None:
    running.control("DELETE", "/requests")
    before = len(running.documents())
    # The first such call is the drop, which no function makes.
    running.fault("storage", "POST /upload/storage/v1/b/dropsight-inbox/o", skip=skip + 1, kill=moment, times=1)
    uri = running.drop(f"{moment}-{skip}.pdf", STACK, "application/pdf")
    settle(running, before + 3)
    assert running.control("GET", "/faults") == [], "the kill was never reached"
    bundle = running.task_of(uri)
    per_object = Counter(task["source"]["uri"] for task in running.documents() if bundle["id"] in task["source"]["uri"])
    assert set(per_object.values()) == {1}
    assert len(per_object) == 2
    children = running.http.get(f"/v1/tasks/{bundle['id']}").json()["children"]
    shown = [running.http.get(f"/v1/tasks/{child}").json() for child in children]
    assert {task["source"] for task in shown} == set(per_object)
    assert {task["parent"] for task in shown} == {bundle["id"]}
    # The kill may cut off the answer about a document that was written before it: only that call is made again.
    assert 3 <= len(running.model_calls()) <= 4
