"""Dropped files are added to an index, and keys ask across those that they may see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.indexed_notes import running_with_notes
from tests.running import Json, Running, until

pytestmark = pytest.mark.long

FILES = {
    "north/wells.txt": b"The northern wells were drilled by Ottoline Marsh.",
    "north/roads.txt": b"The northern roads were paved with basalt.",
    "south/wells.txt": b"The southern wells were drilled by Barnaby Crook.",
}


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with running_with_notes() as running:
        for name, text in FILES.items():
            running.drop(name, text, "text/plain")
        running.wait_for_documents(len(FILES), 60)
        yield running


def ask(system: Running, question: str, key: str | None = None, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {
        "model": "gemini-3.5-flash-lite",
        "index": "notes",
        "messages": [{"role": "user", "content": question}],
        "sync": True,
        **options,
    }
    return system.http.post("/v1/llm/generations", json=body, headers=headers)


def cited(answer: Any) -> list[Json]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["choices"][0]["message"]["citations"])


def key_with(system: Running, *sources: str) -> str:
    made = system.http.post("/v1/keys", json={"name": "reader", "sources": list(sources)})
    assert made.status_code == 200, made.text
    return str(made.json()["secret"])


def entries(system: Running) -> list[Json]:
    return [snapshot.to_dict() or {} for snapshot in system.firestore.collection("index_entries").stream()]


def test_a_key_is_answered_with_the_tasks_and_objects_that_the_answer_rests_on(system: Running) -> None:
    answer = ask(system, "Who drilled the northern wells?")
    best = cited(answer)[0]
    assert best["object"] == "gs://dropsight-inbox/north/wells.txt"
    assert system.http.get(f"/v1/tasks/{best['task']}").json()["source"] == best["object"]
    assert "Ottoline Marsh" in answer.json()["choices"][0]["message"]["content"]


def test_a_key_is_answered_only_from_what_it_may_see(system: Running) -> None:
    question = "Who drilled the wells?"
    north = ask(system, question, key_with(system, "gs://dropsight-inbox/north/"))
    assert {entry["object"] for entry in cited(north)} == {"gs://dropsight-inbox/north/wells.txt"}
    assert "Barnaby" not in north.text
    stranger = ask(system, question, key_with(system))
    assert cited(stranger) == []
    assert "Ottoline" not in stranger.text
    assert "Barnaby" not in stranger.text


def test_an_unknown_index_is_refused_at_once(system: Running) -> None:
    refused = ask(system, "Anything?", index="nowhere")
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == "index"
    assert "no index 'nowhere'" in refused.json()["error"]["message"]


def test_a_kill_after_a_document_was_added_leaves_it_there_once(system: Running) -> None:
    system.fault("gemini", ":importFile", kill="after", times=1)
    uri = system.drop("north/bridge.txt", b"The bridge was built by Clementine Oak.", "text/plain")
    until(lambda: any(entry["object"] == uri for entry in entries(system)), 60, lambda: "nobody began")
    until(lambda: not system.control("GET", "/faults"), 60, lambda: "nobody was killed")
    assert system.end_of(uri)["status"] == "completed"

    def is_added() -> bool:
        # Whoever was killed holds the entry for ten minutes; a day would end all tries.
        system.advance("1m")
        return any(entry["object"] == uri and not entry["holder"] for entry in entries(system))

    until(is_added, 60, lambda: f"not added: {entries(system)}", pause=1.0)
    answer = ask(system, "Who built the bridge?")
    quotes = [entry["quote"] for entry in cited(answer) if entry["object"] == uri]
    assert len([quote for quote in quotes if quote == "The bridge was built by Clementine Oak."]) == 1


def test_a_deleted_object_is_not_found_any_more(system: Running) -> None:
    uri = system.drop("north/tower.txt", b"The tower was built by Leopold Finch.", "text/plain")
    until(lambda: any(entry["object"] == uri and not entry["holder"] for entry in entries(system)), 60, lambda: "")
    assert "Leopold Finch" in ask(system, "Who built the tower?").text
    system.inbox.blob("north/tower.txt").delete()
    until(lambda: uri not in [entry["object"] for entry in entries(system)], 60, lambda: "the entry is still there")
    assert "Leopold Finch" not in ask(system, "Who built the tower?").text
