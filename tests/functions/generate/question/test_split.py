"""An object that vanishes while it is split."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions.generate.question.split import SplitObject
from shared.cloud.object_stream import SourceVanished
from shared.dependencies import GenerateDeps
from shared.domain.errors import PermanentFailure, TransientFailure
from shared.domain.media import Facts, media_type
from shared.domain.recipe.definition import Recipe
from shared.domain.splitting.plan import Span
from shared.examiner import Examiner
from shared.sandbox import Sandbox

RECIPE = Recipe(name="stock", takes=("pdf",), prompt="List all rows.", count_rows=True)
PAGES = Facts(media_type=media_type("application/pdf"), size=10, pages=2)


class Unreadable:
    """Ranges of an object that cannot be read."""

    size = 10

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, offset: int, length: int) -> bytes:
        raise self._error


async def here(call: Callable[[], Any]) -> Any:
    return call()


@pytest.fixture
async def examiner() -> AsyncIterator[Examiner]:
    sandbox = Sandbox()
    yield Examiner(sandbox)
    await sandbox.close()


def split_object(examiner: Examiner, error: Exception, *, is_there: bool) -> SplitObject:
    async def require_source() -> None:
        if not is_there:
            raise PermanentFailure("source_gone", "The object is not there any more.")

    storage = SimpleNamespace(ranges=lambda stored, head: Unreadable(error), in_thread=here)
    deps: Any = SimpleNamespace(storage=storage, examiner=examiner)
    nothing = cast(Any, None)
    return SplitObject(
        cast(GenerateDeps, deps), nothing, nothing, PAGES, RECIPE, nothing, require_source, RECIPE.ran(), None, ()
    )


@pytest.mark.parametrize("error", [SourceVanished("stock.pdf"), ConnectionResetError("the connection broke")])
async def test_an_object_that_cannot_be_read_to_look_for_scanned_pages_is_gone_or_read_again(
    examiner: Examiner, error: Exception
) -> None:
    for is_there, expected in ((False, PermanentFailure), (True, TransientFailure)):
        split = split_object(examiner, error, is_there=is_there)
        split.plan = (Span(start=1, end=2, unit="pages"),)
        with pytest.raises(expected):
            await split.is_counted(1)
