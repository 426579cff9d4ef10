"""Load the operator's recipes from Cloud Storage, again whenever the object's generation changes.

If a file is missing or invalid, the tasks of its inbox wait with the reason, and continue once the file is mended;
they never run with other recipes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from shared.clock import Clock
from shared.cloud.storage import Storage
from shared.domain.errors import Blocked
from shared.domain.recipe.book import MAX_BYTES, RecipeBook, RecipesInvalid, built_in, load
from shared.single_flight import SingleFlight

_FRESH_SECONDS = 20.0
"""Seconds that the old recipes may still be used after the file changed."""
_PROBLEMS_SHOWN = 3


@dataclass(frozen=True)
class _LoadedBook:
    at: float
    generation: int
    book: RecipeBook | str
    """The recipes, or why they could not be loaded."""


class RecipeBooks:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._read: dict[str, _LoadedBook] = {}
        self._refreshes = SingleFlight[_LoadedBook]()

    async def book(self, uri: str | None) -> RecipeBook:
        """Return the recipes of the object `gs://bucket/name`; for None, the built-in ones. Raises `Blocked`."""
        if uri is None:
            return built_in()
        read = self._read.get(uri)
        if read is None or self._clock.time() - read.at >= _FRESH_SECONDS:
            read = await self._refreshes.run(uri, partial(self._refresh, uri, read))
            self._read[uri] = read
        if isinstance(read.book, str):
            raise Blocked(read.book)
        return read.book

    async def _refresh(self, uri: str, previous: _LoadedBook | None) -> _LoadedBook:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        stored = await self._storage.stat(bucket, name)
        now = self._clock.time()
        if stored is None:
            return _LoadedBook(now, 0, f"The recipe file {uri} is not there. Put it back, or unset it for the inbox.")
        if previous is not None and previous.generation == stored.generation:
            return _LoadedBook(now, stored.generation, previous.book)
        data = await self._storage.read(bucket, name, generation=stored.generation, length=MAX_BYTES + 1)
        if data is None:
            return _LoadedBook(now, 0, f"The recipe file {uri} was replaced while it was read.")
        # In a thread: a file may have a MiB of recipes.
        book = await asyncio.to_thread(_load_book, data, f"{uri}#{stored.generation}")
        return _LoadedBook(now, stored.generation, book)


def _load_book(data: bytes, origin: str) -> RecipeBook | str:
    try:
        return load(data.decode("utf-8-sig"), origin)
    except UnicodeDecodeError:
        return f"The recipe file {origin} is not UTF-8 text."
    except RecipesInvalid as invalid:
        problems_shown = "; ".join(str(problem) for problem in invalid.problems[:_PROBLEMS_SHOWN])
        more = len(invalid.problems) - _PROBLEMS_SHOWN
        return f"The recipe file {origin} cannot be used: {problems_shown}" + (
            f"; and {more} more." if more > 0 else "."
        )
