"""File Search: stores, imported files, and questions that are answered from what has their words."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from google.genai import errors, types

from local.standins.gemini.errors import ApiError
from local.standins.gemini.metadata_filter import matches
from tests.local.standins.gemini.conftest import Running

MODEL = "gemini-2.5-flash-lite"


def make_store(running: Running, display_name: str = "notes") -> str:
    store = running.client.file_search_stores.create(config={"display_name": display_name})
    assert store.name is not None
    assert store.name.startswith("fileSearchStores/notes-")
    return store.name


def add(running: Running, store: str, text: str, mime_type: str = "text/plain", **metadata: str) -> str:
    file = running.client.files.upload(
        file=io.BytesIO(text.encode()), config={"mime_type": mime_type, "display_name": "a name"}
    )
    operation = running.client.file_search_stores.import_file(
        file_search_store_name=store,
        file_name=str(file.name),
        config={"custom_metadata": [{"key": key, "string_value": value} for key, value in metadata.items()]},
    )
    assert not operation.done
    operation = running.client.operations.get(operation)
    assert operation.done
    assert operation.response is not None, operation.error
    return str(operation.response.document_name)


def ask(running: Running, store: str, question: str, metadata_filter: str | None = None) -> types.Candidate:
    search = types.FileSearch(file_search_store_names=[store], metadata_filter=metadata_filter)
    answer = running.client.models.generate_content(
        model=MODEL, contents=question, config={"tools": [types.Tool(file_search=search)]}
    )
    assert answer.candidates
    return answer.candidates[0]


def passages(candidate: types.Candidate) -> list[types.GroundingChunkRetrievedContext]:
    chunks = (candidate.grounding_metadata and candidate.grounding_metadata.grounding_chunks) or []
    return [chunk.retrieved_context for chunk in chunks if chunk.retrieved_context]


def test_a_question_finds_the_passages_with_its_words(own: Running) -> None:
    store = make_store(own)
    add(own, store, "The heron stands in shallow water.", kind="bird")
    add(own, store, "The pike lurks in deep water.", kind="fish")
    candidate = ask(own, store, "Where does the heron stand?")
    first = passages(candidate)[0]
    assert (first.text, first.title, first.file_search_store) == (
        "The heron stands in shallow water.",
        "a name",
        store,
    )
    assert [(item.key, item.string_value) for item in first.custom_metadata or []] == [("kind", "bird")]
    assert candidate.content is not None
    assert "The heron stands in shallow water." in str(candidate.content.parts)


def test_a_filter_keeps_documents_out(own: Running) -> None:
    store = make_store(own)
    add(own, store, "The heron likes shallow water.", kind="bird")
    add(own, store, "The pike likes deep water.", kind="fish")
    found = passages(ask(own, store, "Who likes water?", 'kind = "fish" OR kind = "insect"'))
    assert [passage.text for passage in found] == ["The pike likes deep water."]
    assert passages(ask(own, store, "Who likes water?", 'kind = "insect"')) == []


def test_a_deleted_document_is_not_found(own: Running) -> None:
    store = make_store(own)
    name = add(own, store, "The heron stands in shallow water.")
    documents = own.client.file_search_stores.documents
    assert [document.name for document in documents.list(parent=store)] == [name]
    with pytest.raises(errors.ClientError, match="force"):
        documents.delete(name=name)
    documents.delete(name=name, config={"force": True})
    assert list(documents.list(parent=store)) == []
    assert passages(ask(own, store, "Where is the heron?")) == []
    with pytest.raises(errors.ClientError, match="does not exist"):
        documents.get(name=name)


def test_audio_and_a_missing_file_are_not_taken(own: Running) -> None:
    store = make_store(own)
    file = own.client.files.upload(file=io.BytesIO(b"words"), config={"mime_type": "application/zip"})
    operation = own.client.file_search_stores.import_file(file_search_store_name=store, file_name=str(file.name))
    operation = own.client.operations.get(operation)
    assert operation.error is not None
    assert operation.error["code"] == 3
    with pytest.raises(errors.ClientError, match="permission"):
        own.client.file_search_stores.import_file(file_search_store_name=store, file_name="files/none")


def test_a_project_has_ten_stores_and_a_restart_keeps_them(start: Callable[..., Running], tmp_path: Path) -> None:
    before = start(tmp_path / "stores")
    names = {make_store(before) for _ in range(10)}
    with pytest.raises(errors.ClientError, match="10 File Search stores"):
        make_store(before)
    add(before, sorted(names)[0], "The heron stands in shallow water.")
    before.stop()
    after = start(tmp_path / "stores")
    assert {store.name for store in after.client.file_search_stores.list()} == names
    assert passages(ask(after, sorted(names)[0], "Where is the heron?"))
    after.client.file_search_stores.delete(name=sorted(names)[1])
    assert len(list(after.client.file_search_stores.list())) == 9


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ('owner = "a"', True),
        ('owner = "b"', False),
        ('owner != "b"', True),
        ('owner = "b" OR folder1 = "x y"', True),
        ('owner = "a" AND folder1 = "z"', False),
        ('(owner = "b" OR owner = "a") AND folder1 = "x y"', True),
        ('owner = "b" OR owner = "a" AND folder1 = "z"', False),
        ('missing = "a"', False),
    ],
)
def test_a_filter_is_read_as_google_documents_it(text: str, passes: bool) -> None:
    metadata = [{"key": "owner", "stringValue": "a"}, {"key": "folder1", "stringValue": "x y"}]
    assert matches(text, metadata) is passes


@pytest.mark.parametrize("text", ["owner", 'owner = a"', 'owner = "a" OR', '(owner = "a"', 'owner = "a" "b"', "(" * 99])
def test_a_malformed_filter_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="metadata_filter"):
        matches(text, [])
