"""What must be true after any failure."""

from __future__ import annotations

from collections import Counter

from tests.running import ENDED, Running, until


def settle(system: Running, count: int, *, seconds: float = 120, step: str = "70s") -> None:
    """Advance the clock, in steps longer than a lease, until `count` tasks have ended and nothing is left to do."""

    def done() -> bool:
        if system.have_all_ended(count):
            return True
        if not system.control("GET", "/dispatches")["in_flight"]:
            system.advance(step)
        return False

    until(
        done,
        seconds,
        lambda: f"{system.states()}, {system.open_documents()} open of {count}: {_stuck(system)}",
        pause=0.3,
    )


def assert_each_object_has_one_completed_task(system: Running, uris: list[str]) -> None:
    documents = system.documents()
    per_object = Counter(document["source"]["uri"] for document in documents)
    assert per_object == Counter(uris)
    failed = [document["error"] for document in documents if document["status"] != "completed"]
    assert failed == []
    assert all(document["results"] or document["results_pointer"] for document in documents)


def assert_answers_belong_to_their_files(system: Running, contents: dict[str, str]) -> None:
    """Assert that each published file has its own answer; `contents` maps `gs://` names to words of the answer."""
    for uri, words in contents.items():
        name = uri.removeprefix("gs://")
        assert words in system.results.blob(f"{name}.md").download_as_text()
        assert words in system.results.blob(f"{name}.task.json").download_as_text()


def assert_nothing_is_left_at_gemini(system: Running) -> None:
    """Assert that no file stays at Gemini, after a sweep if a kill left some."""
    if system.gemini_files():
        system.advance("5m")
        system.sweep()
    assert system.gemini_files() == []


def _stuck(system: Running) -> list[tuple[str, str, object]]:
    return [
        (document["id"], document["status"], document["waiting"] or document["lease_until"])
        for document in system.documents()
        if document["status"] not in ENDED or document["open"]
    ][:5]
