"""What is chosen before a call: whether files are cached, what they count, and what a refused tier means."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from functions.generate.model.context_cache import cacheable
from functions.generate.model.service_tier import flex_refusals_named
from functions.generate.model.spending import media_tokens, requested_tier
from shared.domain.answer.response import Json
from shared.domain.errors import ConnectionBroken, DropsightError, FlexRefused, Throttled, Unavailable, Unreachable
from shared.domain.media import Facts
from shared.domain.media.kinds import media_type
from shared.domain.models.catalogue import default_model, find_model
from shared.domain.recipe.question import Question
from shared.domain.tasks.task import Ran

FLASH = find_model("gemini-2.5-flash")
HOUR = Facts(media_type=media_type("audio/wav"), size=1, duration=3600.0)
SECOND = Facts(media_type=media_type("audio/wav"), size=1, duration=1.0)


def question(tier: str | None = None) -> Question:
    body: Json = {} if tier is None else {"serviceTier": tier}
    return Question(model="gemini-2.5-flash", body=body, ran=Ran(recipe="r", sha256="0" * 64, snapshot={}))


async def answer_then(error: DropsightError | None, *pieces: Json) -> AsyncIterator[Json]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


def test_only_files_of_enough_tokens_are_cached_and_none_at_a_resolution_of_their_own() -> None:
    assert FLASH is not None
    assert cacheable(FLASH, [HOUR], None)
    assert not cacheable(FLASH, [SECOND], None)
    assert not cacheable(FLASH, [HOUR], "low")
    assert not cacheable(None, [HOUR], None)


def test_files_are_counted_by_kind_and_for_a_model_that_is_not_known_as_for_the_default() -> None:
    assert FLASH is not None
    once, twice = media_tokens([HOUR], FLASH), media_tokens([HOUR, HOUR], FLASH)
    assert twice == {"audio": 2 * once["audio"]}
    assert media_tokens([HOUR], None) == media_tokens([HOUR], default_model())


def test_a_file_of_unknown_length_may_fill_the_window() -> None:
    assert FLASH is not None
    assert media_tokens([HOUR.model_copy(update={"duration": None}), HOUR], FLASH) == {"audio": FLASH.input_tokens}


def test_a_tier_that_is_not_known_counts_as_the_standard_one() -> None:
    assert [requested_tier(question(tier)) for tier in (None, "flex", "luxury")] == ["standard", "flex", "standard"]


@pytest.mark.parametrize(
    ("refusal", "delay"), [(Throttled("busy", delay=7.0), 7.0), (Throttled("busy"), 60.0), (Unavailable("busy"), 60.0)]
)
async def test_a_flex_call_that_is_refused_before_its_first_piece_waits_for_capacity(
    refusal: DropsightError, delay: float
) -> None:
    with pytest.raises(FlexRefused, match="No capacity for the flex tier: busy") as raised:
        [piece async for piece in flex_refusals_named(answer_then(refusal), question("flex"))]
    assert raised.value.delay == delay


@pytest.mark.parametrize(
    ("tier", "refusal", "pieces"),
    [
        (None, Throttled("busy"), []),
        ("flex", ConnectionBroken("gone"), []),
        ("flex", Unreachable("no connection"), []),
        ("flex", Unavailable("broken off"), [{"candidates": []}]),
    ],
)
async def test_other_failures_stay_what_they_are(tier: str | None, refusal: DropsightError, pieces: list[Json]) -> None:
    with pytest.raises(DropsightError) as raised:
        [piece async for piece in flex_refusals_named(answer_then(refusal, *pieces), question(tier))]
    assert raised.value is refusal
