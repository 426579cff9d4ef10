"""File Search stores: documents cut into chunks of words, found again by the words of a question."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import read_record, timestamp
from local.standins.gemini.metadata_filter import matches
from local.standins.gemini.tokens import of_text
from shared.clock import Clock

_MAX_STORES = 10
"""Stores of a project."""
_MAX_METADATA = 20
_CHUNK_WORDS = 150
_TOP_K = 5
_WORD = re.compile(r"\w{4,}")


class Document(BaseModel):
    """A file in a store. `created` is in seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    name: str
    display_name: str
    mime_type: str
    size: int
    created: float
    metadata: list[dict[str, Any]] = []
    chunks: list[str] = []

    def resource(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "displayName": self.display_name,
            "state": "STATE_ACTIVE",
            "mimeType": self.mime_type,
            "sizeBytes": str(self.size),
            "createTime": timestamp(self.created),
            "updateTime": timestamp(self.created),
            "customMetadata": self.metadata,
        }

    @property
    def tokens(self) -> int:
        return sum(map(of_text, self.chunks))


class Store(BaseModel):
    """A store with its documents. `name` is `fileSearchStores/ID`."""

    name: str
    display_name: str | None
    created: float
    documents: list[Document] = []

    def resource(self) -> dict[str, Any]:
        answer = {
            "name": self.name,
            "createTime": timestamp(self.created),
            "updateTime": timestamp(self.created),
            "activeDocumentsCount": str(len(self.documents)),
            "sizeBytes": str(sum(document.size for document in self.documents)),
            "embeddingModel": "models/gemini-embedding-001",
        }
        return answer if self.display_name is None else {**answer, "displayName": self.display_name}


class Chunk(BaseModel):
    """A passage that was found."""

    model_config = ConfigDict(frozen=True)

    store: str
    title: str
    text: str
    metadata: list[dict[str, Any]]

    def grounding(self) -> dict[str, Any]:
        context = {"title": self.title, "text": self.text, "fileSearchStore": self.store}
        return {"retrievedContext": {**context, "customMetadata": self.metadata}}


class SearchStores:
    """The stores of a project, each as `stores/ID.json`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / "stores"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        records = [read_record(record, Store) for record in self._folder.glob("*.json")]
        self._stores = {store.name: store for store in records}

    def create(self, display_name: str | None) -> Store:
        if len(self._stores) >= _MAX_STORES:
            raise ApiError(429, f"A project has {_MAX_STORES} File Search stores at most.")
        name = f"fileSearchStores/{_slug(display_name or '')}{secrets.token_hex(6)}"
        store = Store(name=name, display_name=display_name, created=self._clock.time())
        self._save(store)
        return store

    def listed(self) -> list[Store]:
        return sorted(self._stores.values(), key=lambda store: (store.created, store.name))

    def get(self, name: str) -> Store:
        if (store := self._stores.get(name)) is None:
            raise ApiError(404, f"The File Search store {name} does not exist.")
        return store

    def delete(self, name: str, *, force: bool) -> None:
        if self.get(name).documents and not force:
            raise ApiError(400, "The File Search store is not empty.", "FAILED_PRECONDITION")
        (self._folder / f"{name.rpartition('/')[2]}.json").unlink(missing_ok=True)
        del self._stores[name]

    def add(self, name: str, text: str, document: dict[str, Any]) -> Document:
        """Cut a text into chunks and keep it as a document with these fields."""
        store = self.get(name)
        if len(document["metadata"]) > _MAX_METADATA:
            raise invalid(f"A document has {_MAX_METADATA} custom metadata at most.")
        words = text.split()
        chunks = [" ".join(words[at : at + _CHUNK_WORDS]) for at in range(0, len(words), _CHUNK_WORDS)]
        document_name = f"{name}/documents/{_slug(document['display_name'])}{secrets.token_hex(6)}"
        added = Document(name=document_name, created=self._clock.time(), chunks=chunks, **document)
        self._save(store.model_copy(update={"documents": [*store.documents, added]}))
        return added

    def document(self, name: str) -> Document:
        documents = self.get(name.partition("/documents/")[0]).documents
        if (document := next((entry for entry in documents if entry.name == name), None)) is None:
            raise ApiError(404, f"The document {name} does not exist.")
        return document

    def remove(self, name: str, *, force: bool) -> None:
        document, store = self.document(name), self.get(name.partition("/documents/")[0])
        if document.chunks and not force:
            raise ApiError(400, "The document has chunks; delete it with force.", "FAILED_PRECONDITION")
        left = [entry for entry in store.documents if entry.name != name]
        self._save(store.model_copy(update={"documents": left}))

    def find(self, tools: Sequence[dict[str, Any]], question: str) -> tuple[Chunk, ...]:
        """Return the passages that share most words with the question, as the `fileSearch` tool of a request says."""
        tool = next((entry["fileSearch"] for entry in tools if "fileSearch" in entry), None)
        if tool is None:
            return ()
        words = set(_WORD.findall(question.lower()))
        found: list[tuple[int, Chunk]] = []
        for name in tool.get("fileSearchStoreNames", []):
            for document in self.get(name).documents:
                if not matches(tool.get("metadataFilter", ""), document.metadata):
                    continue
                title, metadata = document.display_name, document.metadata
                found += [
                    (shared, Chunk(store=name, title=title, text=text, metadata=metadata))
                    for text in document.chunks
                    if (shared := len(words & set(_WORD.findall(text.lower()))))
                ]
        best = sorted(found, key=lambda entry: -entry[0])
        return tuple(chunk for _, chunk in best[: tool.get("topK") or _TOP_K])

    def _save(self, store: Store) -> None:
        record = self._folder / f"{store.name.rpartition('/')[2]}.json"
        draft = record.with_suffix(".draft")
        draft.write_text(store.model_dump_json())
        draft.rename(record)
        self._stores[store.name] = store


def _slug(display_name: str) -> str:
    letters = re.sub(r"[^a-z0-9]+", "-", display_name.lower()).strip("-")[:24].rstrip("-")
    return f"{letters}-" if letters else ""
