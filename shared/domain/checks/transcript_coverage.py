"""Check whether a transcript covers its whole recording. Doubts become warnings of the task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from pydantic import JsonValue

from shared.domain.answer.timestamps import written
from shared.domain.answer.transcript import Segment, is_transcript, segments, segments_in_text
from shared.domain.checks.loops import repeated_phrase
from shared.domain.checks.words import count
from shared.domain.recipe.definition import Range

_TOLERANCE_SECONDS = 5.0
"""Tolerance of written times, in seconds."""
_SILENT_END_SECONDS, _SILENT_END_SHARE = 30.0, 0.1
"""The end of a recording may be silent; a longer gap than both of these is a warning."""
_GAP_SECONDS, _GAP_SHARE = 180.0, 0.15
_WORDS_A_MINUTE = 20
"""Slow speech has five times as many."""
_SLOW_SPEECH = 100 / 60
"""Words a second."""
_MIN_SECONDS_FOR_WORD_COUNT = 180.0
"""Seconds. In shorter recordings the number of words means little."""
_SAME_SEGMENTS = 5


def transcript_warnings(
    text: str, value: JsonValue, duration: float | None, range_: Range | None = None
) -> tuple[str, ...]:
    """Compare a transcript with its recording. `duration` is in seconds, None if unknown."""
    timed = segments(value) if is_transcript(value) else _timed(text)
    words = _words(text, value, timed)
    start = range_.start if range_ else 0.0
    end = duration if range_ is None or range_.end is None else min(range_.end, duration or range_.end)
    if not words.strip():
        return ("The transcript has no words: nothing was said in the recording, or nothing was understood.",)
    warnings = [
        *_warnings_of_order(timed),
        *(_warnings_past_end(timed, duration) or (_warnings_outside_range(timed, start, end) if range_ else [])),
    ]
    warnings += _warnings_of_gaps(timed, start, end)
    if end is not None and end - start >= _MIN_SECONDS_FOR_WORD_COUNT:
        minutes = (end - start) / 60
        if count(words) < _WORDS_A_MINUTE * minutes:
            message = f"The transcript has {count(words)} words for {minutes:.0f} minutes"
            warnings.append(f"{message}: part of the recording may be missing.")
    warnings += _warnings_of_loops(timed, words)
    return tuple(warnings)


def _timed(text: str) -> list[Segment]:
    """Return the segments of a plain transcript whose lines have times; an empty list for other texts.

    A line of any text may begin with a time of day. So most lines must stand behind a time or below a line that holds
    only a time, and the only time of a text must be in brackets.
    """
    timed, spoken_lines, below = segments_in_text(text), 0, False
    for line in text.splitlines():
        if segments := segments_in_text(line):
            spoken_lines, below = spoken_lines + 1, not segments[0].text
        elif not line.strip():
            below = False
        elif not below and not line.strip().isdecimal():
            spoken_lines += 1
    alone = len(timed) == 1 and not text.lstrip().startswith(("[", "("))
    return [] if alone or 2 * len(timed) <= spoken_lines else timed


def _words(text: str, value: JsonValue, timed: Sequence[Segment]) -> str:
    """Return the words without times."""
    if is_transcript(value):
        return " ".join(segment.text for segment in timed)
    if value is not None and not value:
        return ""
    if not timed:
        return text
    lines = ((segments_in_text(line), line) for line in text.splitlines())
    return "\n".join(segments_[0].text if segments_ else line for segments_, line in lines)


def _warnings_of_order(timed: Sequence[Segment]) -> Iterator[str]:
    backwards = [after for before, after in pairwise(timed) if after.start < before.start - 1]
    if backwards:
        first = written(backwards[0].start)
        yield f"The transcript's times go backwards {len(backwards)} times, first at {first}: they may not be right."


def _warnings_of_gaps(timed: Sequence[Segment], start: float, end: float | None) -> Iterator[str]:
    if not timed or end is None or end <= start:
        return
    steps = sorted(after.start - before.start for before, after in pairwise(timed) if after.start > before.start)
    typical_step = steps[len(steps) // 2] if steps else 0.0
    in_order = sorted(timed, key=lambda segment: segment.start)
    # Without end times, a segment lasts as long as its words, and the last one as long as a typical step.
    until = list(accumulate((_end(segment) for segment in in_order), max))
    last = max(segment.start if segment.end is None else segment.end for segment in timed)
    missing_end = end - max(until[-1], last + (typical_step if in_order[-1].end is None else 0), start)
    if missing_end > max(_SILENT_END_SECONDS, _SILENT_END_SHARE * (end - start)):
        yield f"The transcript ends at {written(last)} of {written(end)}: the rest may be missing."
    for begin, after in zip([start, *until], in_order, strict=False):
        if after.start - begin > max(_GAP_SECONDS, _GAP_SHARE * (end - start)):
            yield f"The transcript says nothing between {written(begin)} and {written(after.start)}."
            break


def _end(segment: Segment) -> float:
    if segment.end is not None:
        return max(segment.start, segment.end)
    return segment.start + count(segment.text) / _SLOW_SPEECH


def _warnings_past_end(timed: Sequence[Segment], duration: float | None) -> list[str]:
    last = max((segment.start if segment.end is None else segment.end for segment in timed), default=0.0)
    if duration is None or last <= duration + _TOLERANCE_SECONDS:
        return []
    return [f"The transcript names {written(last)}, past the recording's end at {written(duration)}."]


def _warnings_outside_range(timed: Sequence[Segment], start: float, end: float | None) -> list[str]:
    """Warn of times outside the requested part; times count from the start of the whole recording."""
    for segment in timed:
        if segment.start < start - _TOLERANCE_SECONDS or (
            end is not None and max(segment.start, segment.end or 0) > end + _TOLERANCE_SECONDS
        ):
            span = f"from {written(start)}" + (f" to {written(end)}" if end is not None else " on")
            return [f"The transcript tells of {written(segment.start)}, outside of the part {span} that was asked for."]
    return []


def _warnings_of_loops(timed: Sequence[Segment], text: str) -> Iterator[str]:
    run = 1
    for before, after in pairwise(timed):
        run = run + 1 if after.text and after.text == before.text else 1
        if run == _SAME_SEGMENTS:
            yield _loop_warning(after.text)
            return
    if phrase := repeated_phrase(text):
        yield _loop_warning(phrase)


def _loop_warning(phrase: str) -> str:
    short = phrase if len(phrase) <= 40 else f"{phrase[:40].rstrip()}…"
    return f"The transcript repeats “{short}” over and over: the model may have been caught in a loop."
