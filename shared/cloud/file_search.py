"""Call Gemini's File Search: stores, and the documents that are searched."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from google.genai import types

from shared.clock import Clock
from shared.cloud.gemini import Gemini
from shared.cloud.gemini_errors import translated_errors
from shared.cloud.index_entries import IndexEntries
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.service_errors import HandleGone
from shared.single_flight import SingleFlight

_PAGE = 20
"""Stores or documents of a page: the service's limit."""
_POLL_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_MAX_POLLS = 30
"""Two minutes and a half: an entry of the index is held for ten."""
_INVALID, _TOO_LARGE = 3, 11
"""google.rpc codes of an import that can never succeed: INVALID_ARGUMENT, OUT_OF_RANGE."""


class ImportFailed(TransientFailure):
    """The service has tried to take the file, and could not."""


class ImportUnderWay(TransientFailure):
    """The service has not taken the file in time, and may do so yet."""


class FileSearch:
    """`environment` is the tag in the names of this environment's stores, which environments of one key share."""

    def __init__(self, gemini: Gemini, entries: IndexEntries, clock: Clock, environment: str) -> None:
        self._gemini, self._entries, self._clock = gemini, entries, clock
        self._environment = environment
        self._opening = SingleFlight[str]()

    async def open_store(self, index: str) -> str:
        """Return the store of an index; make it if there is none."""
        return await self._entries.store(index) or await self._opening.run(index, lambda: self._make_store(index))

    async def _make_store(self, index: str) -> str:
        """Make the store, unless one of its name was made before and not noted."""
        display_name, stores = f"dropsight {self._environment} {index}", self._gemini.sdk.file_search_stores
        with translated_errors():
            config = types.ListFileSearchStoresConfig(page_size=_PAGE)
            listed = [store async for store in await stores.list(config=config)]
            left = next((store.name for store in listed if store.display_name == display_name and store.name), None)
            if left is not None:
                return await self._entries.settle_store(index, left)
            made = await stores.create(config=types.CreateFileSearchStoreConfig(display_name=display_name))
        name = await self._entries.settle_store(index, str(made.name))
        if name != made.name:
            with translated_errors():
                await stores.delete(name=str(made.name))
        return name

    async def add_file(self, store: str, file: str, metadata: Mapping[str, str]) -> str:
        """Add a file of the Files API to a store; return the document's name once it can be found.

        Raises `HandleGone` if there is no such file, `PermanentFailure` if the service does not take it, and
        `ImportFailed` if it could not.
        """
        config = types.ImportFileConfig(
            custom_metadata=[types.CustomMetadata(key=key, string_value=value) for key, value in metadata.items()]
        )
        with translated_errors():
            operation = await self._gemini.sdk.file_search_stores.import_file(
                file_search_store_name=store, file_name=file, config=config
            )
        for tries in itertools.count():
            if operation.done:
                break
            if tries == _MAX_POLLS:
                raise ImportUnderWay("File Search did not take the file in time")
            await self._clock.sleep(_POLL_SECONDS[min(tries, len(_POLL_SECONDS) - 1)])
            with translated_errors():
                operation = await self._gemini.sdk.operations.get(operation)
        if operation.error:
            message = str(operation.error.get("message") or "no reason is given")
            if operation.error.get("code") in (_INVALID, _TOO_LARGE):
                raise PermanentFailure("unsupported_content_type", f"File Search does not take the file: {message}")
            raise ImportFailed(f"File Search could not take the file: {message}")
        return str(operation.response.document_name if operation.response else "")

    async def documents_of(self, store: str, entry: str) -> list[str]:
        """Return the documents of an entry, by reading through the whole store: after a crash only."""
        config = types.ListDocumentsConfig(page_size=_PAGE)
        with translated_errors():
            listed = await self._gemini.sdk.file_search_stores.documents.list(parent=store, config=config)
            return [str(document.name) async for document in listed if _entry_of(document) == entry]

    async def delete_document(self, name: str) -> None:
        """Delete a document; one that does not exist is no error."""
        try:
            with translated_errors():
                await self._gemini.sdk.file_search_stores.documents.delete(
                    name=name, config=types.DeleteDocumentConfig(force=True)
                )
        except HandleGone:
            return
        except PermanentFailure as failure:
            # The SDK's answers do not say what is missing; a 404 can only mean the document.
            if failure.code != "model_not_found":
                raise


def _entry_of(document: types.Document) -> str | None:
    return next((item.string_value for item in document.custom_metadata or [] if item.key == "entry"), None)
