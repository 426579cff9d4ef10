"""Ask across files: the file search tool for a request that names an index, limited to what its key may see."""

from __future__ import annotations

from typing import NamedTuple, cast

from pydantic import JsonValue

from shared.dependencies import GenerateDeps
from shared.domain.answer.response import Json
from shared.domain.errors import PermanentFailure
from shared.domain.index_entries import metadata_filter, readable_places
from shared.domain.tasks.task import Task


class Search(NamedTuple):
    """What a request is answered from."""

    store: str
    places: tuple[str, ...]
    """Values of `visible_to` of the tasks whose files may be read."""
    warnings: tuple[str, ...] = ()

    def add_to(self, body: Json) -> None:
        """Add the tool to the body of generateContent."""
        tool: Json = {"fileSearchStoreNames": [self.store], "metadataFilter": metadata_filter(self.places)}
        cast(list[JsonValue], body.setdefault("tools", [])).append({"fileSearch": tool})


async def search_of_request(deps: GenerateDeps, task: Task, index: str | None) -> Search | None:
    """Return what the task's owner may search; None if the request names no index.

    The sources are the key's of now, not those of the time when the request was sent.
    """
    if index is None:
        return None
    store = await deps.index_entries.store(index)
    if store is None:
        raise PermanentFailure("invalid_param", f"index: there is no index {index!r}: no file was ever added to it.")
    kind, _, name = task.owner.partition(":")
    sources = (
        await deps.keys.sources(name, deps.clock.now())
        if kind == "key"
        else deps.settings.manifest_sources.get(name, ())
    )
    places = readable_places(task.owner, sources)
    warnings = [f"Files under {source} were not searched: only whole folders are." for source in places.left_out]
    return Search(store, places.exact, tuple(warnings))
