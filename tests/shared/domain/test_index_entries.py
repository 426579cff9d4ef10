"""Who may read an entry of an index, and when it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.index_entries import (
    Entry,
    entry_key,
    is_indexed,
    metadata_filter,
    metadata_of,
    next_step,
    passes,
    readable_places,
    searchable_files,
)
from shared.domain.tasks.access import Key
from shared.domain.tasks.task import GeminiFile, Ran, Source, new_task, visibility

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def source(name: str = "a/b/c.pdf") -> Source:
    return Source(kind="object", bucket="inbox", name=name, generation=7, created_at=NOW, size=9)


def entry(name: str = "a/b/c.pdf", **fields: object) -> Entry:
    made = {
        "index": "notes",
        "store": "fileSearchStores/notes-1",
        "object": source(name).uri,
        "generation": 7,
        "task": "task-llm-1776874565-yq3szvcu",
        "places": visibility("inbox:inbox", source(name)),
        "added_at": NOW,
        "check_at": NOW,
    }
    return Entry.model_validate({**made, **fields})


@pytest.mark.parametrize(
    ("before", "step"),
    [
        (None, "add"),
        (entry(), "done"),
        (entry(generation=6), "add"),
        (entry(generation=8), "superseded"),
        (entry(task="task-llm-1776874565-zzzzzzzz"), "add"),
        (entry(holder="other", held_until=NOW + timedelta(seconds=1)), "busy"),
        (entry(holder="dead", held_until=NOW), "add"),
        (entry(generation=8, holder="dead", held_until=NOW), "superseded"),
    ],
)
def test_an_entry_is_added_once_and_never_by_two_at_a_time(before: Entry | None, step: str) -> None:
    assert next_step(before, entry().task, 7, NOW) == step


@pytest.mark.parametrize(
    "sources",
    [
        (),
        ("gs://inbox/",),
        ("gs://inbox/a/",),
        ("gs://inbox/a/b/",),
        ("gs://inbox/a/b",),
        ("gs://inbox/b/",),
        ("gs://inbo/",),
        ("gs://other/", "gs://inbox/x/"),
        ("manifests:a",),
    ],
)
@pytest.mark.parametrize("name", ["c.pdf", "a/c.pdf", "a/b/c.pdf", "a/bc/d.pdf", "/".join("x" * 20) + "/y"])
def test_what_a_key_reads_from_an_index_is_what_it_sees_of_tasks(sources: tuple[str, ...], name: str) -> None:
    key = Key(id="reader", name="reader", sources=sources, created_at=NOW)
    places = readable_places(key.owner, key.sources)
    readable = passes(metadata_of(entry(name)), places.exact)
    assert readable is (key.covers(source(name).uri) and not places.left_out)


def test_the_metadata_fit_into_the_services_limit_however_deep_the_folder_is() -> None:
    assert len(metadata_of(entry("/".join("f" * 30)))) == 20


def test_no_name_gets_into_the_syntax_of_a_filter() -> None:
    place = 'gs://inbox/" OR owner != "/'
    assert metadata_filter([place]).count('"') == 2
    assert " OR " not in metadata_filter([place])


def test_indexes_and_objects_have_keys_of_their_own() -> None:
    assert len({entry_key("a", "gs://b/c"), entry_key("b", "gs://b/c"), entry_key("a", "gs://b/d")}) == 3


def test_what_was_dropped_is_indexed_and_what_a_key_asked_again_is_not() -> None:
    ran = Ran(recipe="notes", sha256="0", snapshot={"index": "notes"})
    dropped = new_task(source(), owner="inbox:inbox", model="m", now=NOW, keep=timedelta(days=1))
    assert not is_indexed(dropped)
    dropped = dropped.model_copy(update={"ran": ran})
    assert is_indexed(dropped)
    assert not is_indexed(dropped.model_copy(update={"owner": "key:reader"}))


def test_files_that_were_sent_along_and_recordings_are_not_searched() -> None:
    def file(name: str, mime_type: str, of: str) -> GeminiFile:
        return GeminiFile(name=name, uri="", mime_type=mime_type, expires_at=NOW, source=of)

    own = source().uri + "#7"
    files = [
        file("files/own", "application/pdf", own),
        file("files/text", "text/markdown", own + "#1"),
        file("files/picture", "image/png", own + "#2"),
        file("files/older", "application/pdf", source().uri + "#6"),
        file("files/other", "application/pdf", "gs://inbox/other.pdf#7"),
        file("files/sound", "audio/wav", own),
    ]
    assert [entry.name for entry in searchable_files(files, source())] == ["files/own", "files/text"]
