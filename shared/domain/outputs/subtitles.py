"""Render a transcript's segments as subtitles or text: SubRip (.srt), WebVTT (.vtt), plain text (.txt)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from shared.domain.answer.timestamps import written
from shared.domain.answer.transcript import Segment

_SHORTEST_MS = 500
_LAST_MS = 3000
"""Seconds that the last cue is shown if its end is unknown."""

_TimedSegment = tuple[int, int, Segment]
"""Start and end in milliseconds."""


def srt(segments: Sequence[Segment]) -> str:
    """Render numbered cues; a new speaker is named before the words."""
    blocks: list[str] = []
    before = ""
    for number, (start, end, segment) in enumerate(cues(segments), 1):
        speaker, text = _speaker(segment), _one_block(segment.text)
        line = text if speaker == before else f"{_named(segment)}{text}"
        blocks.append(f"{number}\n{time_line(start, end, ',')}\n{line.replace('-->', '→')}\n")
        before = speaker
    return "\n".join(blocks)


def vtt(segments: Sequence[Segment]) -> str:
    """Render cues with voice tags; markup characters are escaped (WebVTT, section 3)."""
    blocks = ["WEBVTT\n"]
    for start, end, segment in cues(segments):
        voice = f"<v {escape_markup(speaker)}>" if (speaker := _speaker(segment)) else ""
        blocks.append(f"{time_line(start, end, '.')}\n{voice}{escape_markup(_one_block(segment.text))}\n")
    return "\n".join(blocks)


def plain(segments: Sequence[Segment]) -> str:
    """Render one line per segment: `[MM:SS] Speaker: words`."""
    return "".join(
        f"[{written(segment.start)}] {_named(segment)}{' '.join(segment.text.split())}\n" for segment in segments
    )


def cues(segments: Sequence[Segment]) -> list[_TimedSegment]:
    """Return the cues ordered by start, each with an end after its start; segments without words are left out.

    Times written as MM:SS are whole seconds, so neighbours may overlap by one or end where they start: an end that is
    missing or not after its start becomes the next start, and no cue is shorter than half a second.
    """
    spoken = sorted((segment for segment in segments if segment.text), key=lambda segment: segment.start)
    timed: list[_TimedSegment] = []
    for segment, after in zip_longest(spoken, spoken[1:]):
        start = round(segment.start * 1000)
        end = round(segment.end * 1000) if segment.end is not None else 0
        if end <= start:
            end = round(after.start * 1000) if after is not None else start + _LAST_MS
        timed.append((start, max(end, start + _SHORTEST_MS), segment))
    return timed


def time_line(start: int, end: int, point: str) -> str:
    """Return the line of a cue's times, given in milliseconds. `point`: a comma in SubRip, a dot in WebVTT."""
    return f"{_clock(start, point)} --> {_clock(end, point)}"


def _clock(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}:{seconds % 60:02}{point}{rest:03}"


def _speaker(segment: Segment) -> str:
    """Return the name on one line: a line break would end the cue."""
    return " ".join(segment.speaker.split())


def _named(segment: Segment) -> str:
    speaker = _speaker(segment)
    return f"{speaker}: " if speaker else ""


def _one_block(text: str) -> str:
    """Remove empty lines, which would end the cue."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def escape_markup(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
