"""Descriptions of a prompt's media, and transcripts made up from their length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from local.standins.gemini.prompt import Item, Prompt

MARK = "[Dropsight stand-in model]"
"""Marks every text answer as a stand-in's."""

_TIME = r"(\d{1,2}:\d{2}(?::\d{2})?)"
_TIMES = re.compile(rf"(?:from|between)(?:\s+the\s+timestamps?)?\s+{_TIME}\s*(?:to|and|until|-|–)\s*{_TIME}", re.I)
_LINES_AT_MOST = 1_200
_LINE_SECONDS = 15
_SAYINGS = (
    "these words stand for what is said here",
    "the stand-in hears no words, only time passing",
    "speech would be written out here",
    "a sentence of the recording belongs here",
    "here the speaker goes on",
)


@dataclass(frozen=True)
class Segment:
    """A stretch of a transcript, in seconds from the beginning of the medium."""

    start: float
    end: float
    speaker: str
    text: str


def timestamp(seconds: float) -> str:
    """Format seconds as `MM:SS`, from an hour on as `H:MM:SS`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def span(prompt: Prompt, item: Item) -> tuple[float, float]:
    """Return start and end, in seconds, of the part of a medium that the question is about: its clip, narrowed by
    timestamps in the question.
    """
    start, end = item.start, item.start + item.seconds
    if match := _TIMES.search(prompt.question):
        start = max(start, _seconds(match.group(1)))
        end = min(end, _seconds(match.group(2)) + 1)
    return start, max(start, end)


def _seconds(written: str) -> float:
    total = 0.0
    for part in written.split(":"):
        total = total * 60 + float(part)
    return total


def first_recording(prompt: Prompt) -> Item | None:
    """Return the prompt's first audio or video, or None."""
    return next((item for item in prompt.items if item.media.kind in ("audio", "video")), None)


def halves_of_document(prompt: Prompt) -> list[tuple[int, int]]:
    """Return the first and last page of each half of the first document: what a bundle is made out to hold."""
    pages = next((item.media.pages for item in prompt.items if item.media.pages), 0)
    middle = (pages + 1) // 2
    return [(first, last) for first, last in ((1, middle), (middle + 1, pages)) if first <= last]


def transcript(prompt: Prompt, item: Item, random: Random) -> list[Segment]:
    """Return made-up segments that cover the requested span without gaps."""
    start, end = span(prompt, item)
    step = max(_LINE_SECONDS, (end - start) / _LINES_AT_MOST)
    speakers = ("Speaker A", "Speaker B")
    segments: list[Segment] = []
    at = start
    while at < end:
        until = min(end, at + step)
        if end - until < 1:
            until = end
        segments.append(Segment(at, until, speakers[len(segments) % 2], random.choice(_SAYINGS)))
        at = until
    return segments


def describe(prompt: Prompt, item: Item) -> str:
    """Describe a medium in one sentence, without a full stop."""
    media = item.media
    named = f" named “{item.name}”" if item.name else ""
    match media.kind:
        case "audio":
            channels = {1: "mono", 2: "stereo"}.get(media.channels, f"{media.channels} channels")
            sound = f"{media.sample_rate} Hz, {channels}"
            return f"a {media.container} recording{named} of {_length(prompt, item)}, {sound}"
        case "video":
            size = f", {media.width} × {media.height} pixels" if media.width else ""
            sound = "with sound" if media.has_audio else "without sound"
            return f"a {media.container} video{named} of {_length(prompt, item)}{size}, {sound}"
        case "image":
            colours = f", mainly {' and '.join(media.colours)}" if media.colours else ""
            return f"a {media.container} picture{named} of {media.width} × {media.height} pixels{colours}"
        case "document":
            pages = "1 page" if media.pages == 1 else f"{media.pages} pages"
            begins = f" that begins “{_clipped(media.text, 200)}”" if media.text else " without text in it"
            return f"a PDF document{named} of {pages}{begins}"
        case _:
            begins = f" that begins “{_clipped(media.text, 200)}”" if media.text else ""
            return f"a text{named} of {media.characters} characters, {media.lines} line(s){begins}"


def _length(prompt: Prompt, item: Item) -> str:
    whole = f"{timestamp(item.media.duration)} ({item.media.duration:.1f} s)"
    start, end = span(prompt, item)
    if end - start < item.media.duration - 0.5:
        return f"{whole}, of which {timestamp(start)} to {timestamp(end)} is asked about"
    return whole


def _clipped(text: str, most: int) -> str:
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"


def question_in_short(prompt: Prompt) -> str:
    return _clipped(prompt.question, 300)
