"""Does a transcript tell the whole recording? What does not look so becomes a warning of the task, never silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pydantic import JsonValue

from shared.domain.recipe.definition import Range
from shared.domain.timestamps import written
from shared.domain.transcript import Segment, is_transcript, segments, segments_in_text

_SLACK = 5.0
"""Seconds by which written times may be off."""
_UNTOLD_SECONDS, _UNTOLD_SHARE = 30.0, 0.1
"""The end of a recording may be silence; more than both of these is worth a word."""
_GAP_SECONDS, _GAP_SHARE = 180.0, 0.15
_WORDS_A_MINUTE = 20
"""Slow speech has five times as many."""
_LONG_ENOUGH = 180.0
"""Seconds from which the number of words says something."""
_REPEATS = 6
_LONGEST_PHRASE = 30
"""Words."""
_SAME_SEGMENTS = 5
_WORDS_LOOKED_AT = 30_000
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def transcript_warnings(
    text: str, value: JsonValue, duration: float | None, range_: Range | None = None
) -> tuple[str, ...]:
    """Compare a transcript with its recording. `duration` in seconds, None where it is not known."""
    timed = segments(value) if is_transcript(value) else segments_in_text(text)
    words = " ".join(each.text for each in timed) if is_transcript(value) else text
    start = range_.start if range_ else 0.0
    end = duration if range_ is None or range_.end is None else min(range_.end, duration or range_.end)
    warnings: list[str] = []
    if timed:
        warnings += _order(timed)
        warnings += _coverage(timed, start, end, duration)
    elif end is not None and end - start >= _LONG_ENOUGH:
        minutes = (end - start) / 60
        if _count(words) < _WORDS_A_MINUTE * minutes:
            told = f"The transcript has {_count(words)} words for {minutes:.0f} minutes"
            warnings.append(f"{told}: part of the recording may be missing.")
    warnings += _loops(timed, words)
    return tuple(warnings)


def _order(timed: Sequence[Segment]) -> Iterator[str]:
    backwards = [after for before, after in pairwise(timed) if after.start < before.start - 1]
    if backwards:
        first = written(backwards[0].start)
        yield f"The transcript's times go backwards {len(backwards)} times, first at {first}: they may not be right."


def _coverage(timed: Sequence[Segment], start: float, end: float | None, duration: float | None) -> Iterator[str]:
    steps = sorted(after.start - before.start for before, after in pairwise(timed) if after.start > before.start)
    usual = steps[len(steps) // 2] if steps else 0.0
    said = [each.end if each.end is not None else each.start for each in timed]
    last = max(said)
    if duration is not None and last > duration + _SLACK:
        yield f"The transcript names {written(last)}, past the recording's end at {written(duration)}."
    if end is None or end <= start:
        return
    # Where only beginnings are written, the last segment is taken to be as long as the others.
    untold = end - max(last + (usual if timed[said.index(last)].end is None else 0), start)
    if untold > max(_UNTOLD_SECONDS, _UNTOLD_SHARE * (end - start)):
        yield f"The transcript ends at {written(last)} of {written(end)}: the rest may be missing."
    gaps = sorted((max(each.end or 0, each.start), after.start) for each, after in pairwise(timed))
    for begin, until in gaps:
        if until - begin > max(_GAP_SECONDS, _GAP_SHARE * (end - start)):
            yield f"The transcript says nothing between {written(begin)} and {written(until)}."
            break


def _loops(timed: Sequence[Segment], text: str) -> Iterator[str]:
    run = 1
    for before, after in pairwise(timed):
        run = run + 1 if after.text and after.text == before.text else 1
        if run == _SAME_SEGMENTS:
            yield _loop(after.text)
            return
    if phrase := repeated_phrase(text):
        yield _loop(phrase)


def repeated_phrase(text: str) -> str | None:
    """A phrase that stands six times or more in a row (twelve where it is one word), or None."""
    words = text.split()[:_WORDS_LOOKED_AT]
    for length in range(1, _LONGEST_PHRASE + 1):
        run, needed = 0, length * ((2 * _REPEATS if length == 1 else _REPEATS) - 1)
        for index in range(length, len(words)):
            run = run + 1 if words[index] == words[index - length] else 0
            if run >= needed:
                return " ".join(words[index - length + 1 : index + 1])
    return None


def _count(text: str) -> int:
    """Words; where none are divided by spaces, two characters for one."""
    ideographs = len(_CJK.findall(text))
    return ideographs // 2 + len(_CJK.sub(" ", text).split())


def _loop(phrase: str) -> str:
    short = phrase if len(phrase) <= 40 else f"{phrase[:40].rstrip()}…"
    return f"The transcript repeats “{short}” over and over: the model may have been caught in a loop."
