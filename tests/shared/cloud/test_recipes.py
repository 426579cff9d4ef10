"""The operator's recipe file: read once, again when it changes, and never replaced by other recipes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.recipes import RecipeBooks
from shared.cloud.storage import Storage
from shared.domain.errors import Blocked
from shared.domain.recipe.book import RecipeBook, built_in

URI = "gs://recipes/mine.toml"
RECIPE = '[[recipe]]\nname = "{}"\nfor = {{ prefix = "a/" }}\ntakes = "text"\nprompt = "What is it?"\n'


@pytest.fixture
async def storage(
    clock: MovableClock, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Storage]:
    stand_in = StorageStandIn(clock=clock, data=tmp_path / "storage", tap=tap, buckets=("recipes",))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{await stand_in.start()}")
    storage = Storage("test", threads=1)
    yield storage
    await storage.aclose()
    await stand_in.stop()


async def write(storage: Storage, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    await storage.write("recipes", "mine.toml", data, "application/toml")


def names_in(book: RecipeBook) -> set[str]:
    return {recipe.name for recipe in book.recipes}


async def test_without_a_file_the_built_in_recipes_are_used(storage: Storage, clock: MovableClock) -> None:
    assert await RecipeBooks(storage, clock).book(None) is built_in()


async def test_a_changed_file_is_read_again_once_the_old_one_is_no_longer_fresh(
    storage: Storage, clock: MovableClock
) -> None:
    books = RecipeBooks(storage, clock)
    await write(storage, RECIPE.format("first"))
    book = await books.book(URI)
    assert "first" in names_in(book)
    await write(storage, RECIPE.format("second"))
    assert await books.book(URI) is book
    clock.advance(21)
    assert "second" in names_in(await books.book(URI))


async def test_a_file_that_has_not_changed_is_not_read_again(storage: Storage, clock: MovableClock) -> None:
    books = RecipeBooks(storage, clock)
    await write(storage, RECIPE.format("first"))
    book = await books.book(URI)
    clock.advance(21)
    assert await books.book(URI) is book


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is not there"),
        (b"\xff\xfe\xff", "is not UTF-8 text"),
        ('[[recipe]]\nname = "Not a name"\n', "cannot be used"),
    ],
)
async def test_tasks_wait_for_a_file_that_cannot_be_used_and_go_on_once_it_is_mended(
    storage: Storage, clock: MovableClock, content: str | bytes | None, reason: str
) -> None:
    books = RecipeBooks(storage, clock)
    if content is not None:
        await write(storage, content)
    with pytest.raises(Blocked, match=reason):
        await books.book(URI)
    await write(storage, RECIPE.format("mended"))
    clock.advance(21)
    assert "mended" in names_in(await books.book(URI))
