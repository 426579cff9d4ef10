"""Where a file is split: nothing is left out, nothing is too long, and the user is told."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.media import Facts, media_type
from shared.domain.models.catalogue import Model, find_model
from shared.domain.recipe.definition import Ask, Range, Recipe
from shared.domain.splitting.plan import (
    OVERLAP_SECONDS,
    estimate_tokens,
    is_part_source,
    is_split,
    most_pages,
    most_seconds,
    part_source,
    plan_cuts,
    plan_pages,
    quietest,
    spans_between,
    split_warning,
)

HOUR = 3600.0


def recipe(**fields: object) -> Recipe:
    return Recipe.model_validate({"name": "r", "takes": ["audio", "pdf", "video"], "prompt": "p", **fields})


def model(name: str = "gemini-3.5-flash-lite") -> Model:
    found = find_model(name)
    assert found is not None
    return found


def recording(seconds: float | None, mime: str = "audio/mp3") -> Facts:
    return Facts(media_type=media_type(mime), size=1, duration=seconds, has_audio=True)


def document(pages: int, size: int = 1) -> Facts:
    return Facts(media_type=media_type("application/pdf"), size=size, pages=pages)


@given(st.integers(1, 50_000), st.integers(1, 3000))
def test_ranges_of_pages_hold_every_page_once_and_are_as_few_and_as_equal_as_can_be(pages: int, most: int) -> None:
    ranges = plan_pages(1, pages, most)
    assert ranges[0][0] == 1
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ranges))
    assert ranges[-1][1] == pages
    lengths = [last - first + 1 for first, last in ranges]
    assert max(lengths) <= most
    assert max(lengths) - min(lengths) <= 1
    assert len(ranges) == -(-pages // most)


@given(st.floats(0, 1e5), st.floats(1, 4e5), st.floats(60, 3 * HOUR), st.data())
def test_parts_of_a_recording_cover_it_overlap_and_are_short_enough_wherever_its_silences_lie(
    start: float, length: float, most: float, data: st.DataObject
) -> None:
    end = start + length
    cuts, search = plan_cuts(start, end, most)
    moved = [cut + search * data.draw(st.floats(-1, 1)) for cut in cuts]
    spans = spans_between(start, end, moved)
    assert (spans[0].start, spans[-1].end) == (start, end)
    assert all(span.end - span.start <= most + 1e-6 for span in spans)
    assert all(span.end > span.start for span in spans)
    for before, after in pairwise(spans):
        assert before.end - after.start == pytest.approx(OVERLAP_SECONDS, abs=1e-6)
        assert before.start < after.start


@pytest.mark.parametrize(
    ("facts", "fields", "split"),
    [
        (document(1000), {}, False),
        (document(1001), {}, True),
        (document(900), {"media_resolution": "high"}, False),
        (document(1000), {"media_resolution": "high"}, True),
        (document(10, size=51 << 20), {}, True),
        (document(1001), {"with": ["other.pdf"]}, False),
        (recording(9 * HOUR), {}, False),
        (recording(9.4 * HOUR), {}, True),
        (recording(None), {"split_minutes": 5}, False),
        (recording(301), {"split_minutes": 5}, True),
        (recording(299), {"split_minutes": 5}, False),
        (recording(3000), {"split_minutes": 5, "range": "00:30-02:00"}, False),
        (recording(2.8 * HOUR, "video/mp4"), {}, False),
        (recording(3 * HOUR, "video/mp4"), {}, True),
        (recording(10 * HOUR, "video/mp4"), {"range": "01:00:00-02:00:00"}, False),
    ],
)
def test_what_is_too_long_for_one_call_or_for_its_recipe_is_split(
    facts: Facts, fields: dict[str, object], split: bool
) -> None:
    assert is_split(recipe(**fields), facts, model()) is split


@pytest.mark.parametrize("name", ["gemini-3.5-flash-lite", "gemini-2.5-flash", "gemini-4-carbon"])
@pytest.mark.parametrize("resolution", [None, "low", "high"])
def test_each_part_fits_the_models_window(name: str, resolution: str | None) -> None:
    asked = recipe(media_resolution=resolution)
    for facts in (document(5000), recording(20 * HOUR), recording(20 * HOUR, "video/mp4")):
        if facts.pages:
            part = facts.model_copy(update={"pages": most_pages(asked, facts, model(name))})
        else:
            part = facts.model_copy(update={"duration": most_seconds(asked, facts, model(name))})
        assert not is_split(asked, part, model(name))


def test_a_cut_is_moved_to_the_quietest_half_second_nearest_to_it() -> None:
    peaks = [9000] * 200
    peaks[20:40] = [200] * 20
    peaks[150:170] = [90] * 20
    assert quietest(peaks, 0.05, 100.0, 104.0) == pytest.approx(101.75)
    assert quietest(peaks, 0.05, 100.0, 106.0) == pytest.approx(107.75)
    assert quietest([], 0.05, 100.0, 106.0) == 106.0


def test_the_warning_tells_the_parts_the_calls_and_the_tokens() -> None:
    facts, plan = recording(3 * HOUR), spans_between(0, 3 * HOUR, [1.5 * HOUR])
    told = split_warning(plan, facts, recipe(), model(), joining=1)
    tokens = 32 * (3 * 3600 + 10)
    assert told == (
        "The file (03:00:00) was split into 2 parts: 00:00 to 01:30:05, 01:29:55 to 03:00:00. Each part is asked "
        f"about in a call of its own, and one more joins the answers: 3 calls, about {tokens:,} tokens of input."
    )
    twice = recipe(asks=[Ask(name="a", prompt="p"), Ask(name="b", prompt="p")], prompt="")
    assert estimate_tokens(plan, facts, twice, model()) == 2 * tokens


def test_a_part_is_recorded_as_a_piece_of_its_source() -> None:
    (span,) = spans_between(0, 30, [])
    source = part_source("gs://inbox/a#b.mp3#123", span)
    assert source == "gs://inbox/a#b.mp3#123#seconds=0-30"
    assert is_part_source(source)
    assert not is_part_source("gs://inbox/a#b.mp3#123")
    assert not is_part_source("")


def test_a_range_is_what_is_split() -> None:
    asked = recipe(range=Range(start=0, end=9.6 * HOUR))
    assert is_split(asked, recording(11 * HOUR), model())
