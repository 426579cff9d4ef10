"""Plan the parts of a file: when it is split, where, and what that is expected to cost in tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from shared.domain.answer.timestamps import written
from shared.domain.media.facts import Facts
from shared.domain.media.limits import GEMINI
from shared.domain.models import tokens
from shared.domain.models.catalogue import Model
from shared.domain.recipe.definition import Join, Recipe
from shared.domain.recipe.fitness import shown_part
from shared.domain.tasks.task import Frozen

OVERLAP_SECONDS = 10.0
"""Seconds of a recording that two neighbouring parts share, so that one of them has a sentence at the cut whole."""
_COUNTED_PAGES = 10
"""Pages of a window in which rows are counted. After some hundreds of rows, models leave rows out."""
_LONGEST_PART = 3 * 3600.0
"""Seconds. A part of this length can be transcribed within a few continuations of the model's longest answer."""
_SEARCH_SECONDS, _SEARCH_SHARE = 30.0, 0.1
"""How far from its nominal place a cut may be moved to a silence: seconds, and a share of the part's length."""
_WINDOW_SHARE, _SHARED_WINDOW_SHARE = 0.8, 0.5
"""Share of the model's window that a part may fill; the rest is for the prompt, and for the answer in a shared one."""


class Span(Frozen):
    """A part of the source: pages from `start` to `end`, counted from 1, or seconds, or characters of its text."""

    start: float
    end: float
    unit: Literal["pages", "seconds", "characters"]

    @property
    def label(self) -> str:
        if self.unit == "seconds":
            return f"{written(self.start)} to {written(self.end)}"
        if self.unit == "characters":
            return f"characters {self.start:.0f} to {self.end:.0f}"
        if self.start == self.end:
            return f"page {self.start:.0f}"
        return f"pages {self.start:.0f} to {self.end:.0f}"


class Part(Frozen):
    """The part that a question is about, if its file was split. `number` counts from 1; 0 is the call that joins."""

    question: str
    """The name of the recipe's question, which is asked about each part."""
    number: int
    plan: tuple[Span, ...]
    """All parts, so that a takeover uses the same ones."""
    join: Join
    warning: str
    """Tells the user how the file was split."""

    @property
    def span(self) -> Span:
        return self.plan[self.number - 1]


def part_name(question: str, number: int, count: int) -> str:
    """Return the name of the question about a part, or of the question that joins the parts (`number` 0)."""
    return f"{question} {f'part {number} of {count}' if number else 'joining'}".strip()


def part_source(identity: str, span: Span) -> str:
    """Return the recorded identity of an uploaded part: `gs://bucket/name#generation#pages=1-750`."""
    return f"{identity}#{span.unit}={span.start:g}-{span.end:g}"


def is_part_source(source: str) -> bool:
    return "#" in source.rpartition("#")[0] and source.rpartition("#")[2].startswith(("pages=", "seconds="))


def is_split(recipe: Recipe, facts: Facts, model: Model | None) -> bool:
    """Return whether the file is too long for one call, or longer than its recipe wants, and can be split."""
    if recipe.companions or recipe.makes == "embedding":
        return False
    shown = shown_part(recipe, facts)
    family = facts.media_type.family
    too_many_tokens = model is not None and tokens.estimate(shown, model, recipe.media_resolution) > model.input_tokens
    if family == "pdf":
        wanted = window_pages(recipe)
        if wanted is not None and (facts.pages or 0) > wanted:
            return True
        return (facts.pages or 0) > GEMINI.pdf_pages or facts.size > GEMINI.pdf_bytes or too_many_tokens
    if family not in ("audio", "video") or facts.duration is None:
        return False
    start, end = asked_span(recipe, facts.duration)
    wanted = recipe.split_minutes is not None and end - start > recipe.split_minutes * 60
    return wanted or too_many_tokens or (family == "audio" and facts.duration > GEMINI.audio_seconds)


def window_pages(recipe: Recipe) -> int | None:
    """Return the most pages of a part that the recipe allows, or None."""
    return recipe.split_pages or (_COUNTED_PAGES if recipe.count_rows else None)


def shared_pages(recipe: Recipe) -> int:
    """Return how many pages neighbouring windows share: one, where the answers have items that can be compared."""
    structured = all(question.response_schema is not None for question in recipe.questions)
    return 1 if recipe.count_rows and structured and (window_pages(recipe) or 0) > 1 else 0


def asked_span(recipe: Recipe, duration: float) -> tuple[float, float]:
    """Return the start and end, in seconds, of the stretch that the recipe asks about."""
    if recipe.range is None:
        return 0.0, duration
    return min(recipe.range.start, duration), min(recipe.range.end or duration, duration)


def most_pages(recipe: Recipe, facts: Facts, model: Model | None) -> int:
    """Return how many pages one part may have, without the pages that it shares with its neighbours."""
    wanted = window_pages(recipe)
    most = _most_pages_of_model(recipe, facts, model)
    return most if wanted is None else max(1, min(most, wanted) - shared_pages(recipe))


def _most_pages_of_model(recipe: Recipe, facts: Facts, model: Model | None) -> int:
    if model is None:
        return GEMINI.pdf_pages
    one = tokens.estimate(facts.model_copy(update={"pages": 1}), model, recipe.media_resolution)
    return max(1, min(GEMINI.pdf_pages, int(_room(model) / max(1, one))))


def most_seconds(recipe: Recipe, facts: Facts, model: Model | None) -> float:
    """Return how many seconds one part may have, including the overlap with its neighbours."""
    most = [_LONGEST_PART]
    if recipe.split_minutes is not None:
        most.append(recipe.split_minutes * 60.0)
    if model is not None:
        hour = facts.model_copy(update={"duration": 3600.0})
        a_second = tokens.estimate(hour, model, recipe.media_resolution) / 3600
        most.append(_room(model) / max(1e-9, a_second))
    return min(most)


def _room(model: Model) -> float:
    return model.input_tokens * (_SHARED_WINDOW_SHARE if model.shared_window else _WINDOW_SHARE)


def plan_pages(first: int, last: int, most: int) -> list[tuple[int, int]]:
    """Divide pages into as few ranges of at most `most` pages as possible, of about the same length.

    >>> plan_pages(1, 1500, 1000)
    [(1, 750), (751, 1500)]
    """
    pages = last - first + 1
    count = math.ceil(pages / most)
    edges = [first + pages * number // count for number in range(count + 1)]
    return [(begin, after - 1) for begin, after in pairwise(edges)]


def with_shared_pages(plan: Sequence[Span], count: int) -> list[Span]:
    """Return the parts, each extended by the first `count` pages of the next part."""
    last = plan[-1].end
    return [span.model_copy(update={"end": min(last, span.end + count)}) for span in plan]


def plan_cuts(start: float, end: float, most: float) -> tuple[list[float], float]:
    """Return the nominal cuts between parts of at most `most` seconds, and how far each may be moved."""
    search = min(_SEARCH_SECONDS, _SEARCH_SHARE * most)
    count = max(1, math.ceil((end - start) / max(1.0, most - OVERLAP_SECONDS - 2 * search)))
    step = (end - start) / count
    return [start + number * step for number in range(1, count)], search


def spans_between(start: float, end: float, cuts: Sequence[float]) -> tuple[Span, ...]:
    """Return the parts between the cuts, each with half of the overlap beyond them."""
    half = OVERLAP_SECONDS / 2
    begins = [start, *(max(start, cut - half) for cut in cuts)]
    ends = [*(min(end, cut + half) for cut in cuts), end]
    return tuple(Span(start=begin, end=until, unit="seconds") for begin, until in zip(begins, ends, strict=True))


def quietest(peaks: Sequence[int], block: float, begin: float, nominal: float) -> float:
    """Return the middle of the quietest half second; of equally quiet ones, the nearest to `nominal`.

    `peaks` are the loudest samples of consecutive blocks of `block` seconds. The first block begins at `begin`.
    """
    width = max(1, round(0.5 / block))
    if len(peaks) < width:
        return nominal
    best: tuple[int, float] | None = None
    moment = nominal
    for at in range(len(peaks) - width + 1):
        middle = begin + (at + width / 2) * block
        # Below a hundredth of full scale it is all silence.
        rank = (max(max(peaks[at : at + width]), 328) // 164, abs(middle - nominal))
        if best is None or rank < best:
            best, moment = rank, middle
    return moment


def split_warning(
    plan: Sequence[Span],
    facts: Facts,
    recipe: Recipe,
    model: Model | None,
    *,
    joining: int,
    counted: Sequence[Span] = (),
) -> str:
    """Return a sentence about the parts, the number of calls and the expected tokens.

    `joining`: the number of calls that join answers. `counted`: the parts whose rows an additional call counts.
    """
    if len(plan) == 1 and counted:
        why = "it is a picture" if facts.media_type.family == "image" else "most of its pages have no text"
        return f"An additional call counts the rows of the file, because {why}."
    length = f"{facts.pages:,} pages" if facts.media_type.family == "pdf" else written(facts.duration or 0.0)
    told = f"The file ({length}) was split into {len(plan)} parts: {', '.join(span.label for span in plan)}."
    tokens_of_input = (
        "" if model is None else f", about {estimate_tokens(plan, facts, recipe, model, counted):,} tokens of input"
    )
    one, asked = joining == 1, len(recipe.questions)
    own = "a call of its own" if asked == 1 else f"{asked} calls of its own"
    more = f", and {'one more joins' if one else f'{joining} more join'} the answers" if joining else ""
    if counted:
        more += f", and {len(counted)} more count{'s' if len(counted) == 1 else ''} the rows of scanned pages"
    calls = len(plan) * asked + joining + len(counted)
    return f"{told} Each part is asked about in {own}{more}: {calls} calls{tokens_of_input}."


def estimate_tokens(
    plan: Sequence[Span], facts: Facts, recipe: Recipe, model: Model, counted: Sequence[Span] = ()
) -> int:
    """Return the approximate input tokens of the calls for all parts together, without prompts."""
    shown = (
        facts.model_copy(
            update={"pages": int(span.end - span.start) + 1}
            if span.unit == "pages"
            else {"duration": span.end - span.start}
        )
        for span in (*(span for _ in recipe.questions for span in plan), *counted)
    )
    return sum(tokens.estimate(part, model, recipe.media_resolution) for part in shown)
