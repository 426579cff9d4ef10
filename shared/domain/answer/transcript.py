"""Read transcripts as segments with times, from structured answers or lines that begin with a time."""

from __future__ import annotations

import re
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.answer.timestamps import meant

_TIME = r"(?:\d{1,3}:){1,3}\d{2,3}(?!\d)(?:[.,]\d{1,9})?"
_LINE = re.compile(
    rf"^\s*(?:[-*]\s+)?[\[(]?(?P<start>{_TIME})"
    rf"(?:\s*(?:-->|[-–—]|to)\s*(?P<end>{_TIME}))?[\])]?[\s:–—-]*(?P<text>.*)$"
)


class TimedWord(NamedTuple):
    """Times are in seconds from the beginning of the recording."""

    start: float
    end: float
    text: str
    speaker: str = ""


class Segment(NamedTuple):
    """Times are in seconds from the beginning of the recording; `end` may be None."""

    start: float
    end: float | None
    text: str
    speaker: str = ""
    language: str = ""


def timed_words(value: JsonValue) -> list[TimedWord]:
    """Return the words of a structured answer that have times of their own, in order; those without are left out."""
    words: list[TimedWord] = []
    for item in listed(value) or []:
        assert isinstance(item, dict)
        speaker, spoken = item.get("speaker"), item.get("words")
        for word in spoken if isinstance(spoken, list) else ():
            if not isinstance(word, dict) or not isinstance(text := word.get("word"), str):
                continue
            start, end = word.get("start"), word.get("end")
            if isinstance(start, int | float) and isinstance(end, int | float) and 0 <= start <= end:
                words.append(TimedWord(start, end, text, speaker if isinstance(speaker, str) else ""))
    return words


def listed(value: JsonValue) -> list[JsonValue] | None:
    """Return the list of segments in a structured answer; None if it has another shape."""
    inner = value.get("segments") if isinstance(value, dict) else value
    if not isinstance(inner, list):
        return None
    fitting = all(isinstance(item, dict) and item.get("start") is not None and "text" in item for item in inner)
    return inner if fitting and (inner or isinstance(value, dict)) else None


def is_transcript(value: JsonValue) -> bool:
    """Return whether a structured answer is a list of segments, or an object with one as `segments`."""
    return listed(value) is not None


def segments(value: JsonValue) -> list[Segment]:
    """Return the segments of a structured answer in order. Raises ValueError for an invalid time."""
    read: list[Segment] = []
    for index, item in enumerate(listed(value) or []):
        assert isinstance(item, dict)
        try:
            start, end = _moment(item["start"]), _moment(item["end"]) if item.get("end") is not None else None
        except ValueError as error:
            raise ValueError(f"segments[{index}]: {error}") from error
        speaker, language = item.get("speaker"), item.get("language")
        read.append(
            Segment(
                start=start,
                end=end,
                text=str(item.get("text") or "").strip(),
                speaker=speaker if isinstance(speaker, str) else "",
                language=language if isinstance(language, str) else "",
            )
        )
    return read


def segments_in_text(text: str) -> list[Segment]:
    """Return the segments of a plain transcript, from its lines that begin with a time."""
    read: list[Segment] = []
    for line in text.splitlines():
        if match := _LINE.match(line):
            try:
                end = meant(match["end"]) if match["end"] else None
                read.append(Segment(meant(match["start"]), end, match["text"].strip()))
            except ValueError:
                continue
    return read


def _moment(value: JsonValue) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{value} is no time")
        return float(value)
    return meant(str(value))
