"""Divide a transcript into readable subtitles: two lines of 42 characters, neither too short nor too fast.

The figures are those of common guidelines for subtitles (Netflix, BBC): 42 characters a line, two lines, 5/6 of a
second to 7 seconds, about 20 characters a second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from shared.domain.answer.transcript import Segment, TimedWord
from shared.domain.answer.words import join_words
from shared.domain.outputs.subtitles import escape_markup, time_line

LINE = 42
"""Characters of a line."""
LINES = 2
_SHORTEST, _LONGEST = 5 / 6, 7.0
"""Seconds that a cue is shown."""
_SPEED = 20.0
"""Characters a second that can be read."""
_PAUSE = 0.7
"""Seconds of silence between two words that begin a new cue."""
_UNKNOWN_END = 3.0
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")
_CLAUSE_END = re.compile(r"[,;:–—、，；：][\"'”’)\]]*$")


class Cue(NamedTuple):
    """Times are in seconds; `text` has at most two lines, unless a single word is longer."""

    start: float
    end: float
    text: str
    speaker: str = ""


def words_of(segments: Sequence[Segment]) -> list[TimedWord]:
    """Return the words of segments, with times estimated in proportion to the length of the words."""
    words: list[TimedWord] = []
    for segment, end in _with_ends(segments):
        pieces = _pieces(segment.text)
        whole, at = sum(len(piece) + 1 for piece in pieces) or 1, 0
        for piece in pieces:
            start, at = at, at + len(piece) + 1
            span = end - segment.start
            words.append(
                TimedWord(
                    segment.start + span * start / whole, segment.start + span * at / whole, piece, segment.speaker
                )
            )
    return words


def make_cues(words: Sequence[TimedWord]) -> list[Cue]:
    """Return the cues in order; two overlap only where two speakers begin at the same moment."""
    groups: list[list[TimedWord]] = []
    for word in sorted((word for word in words if word.text), key=lambda word: word.start):
        if groups and _belongs_to_cue(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    cues = [_cue(group) for group in _merge_orphans(groups)]
    return [
        cue._replace(end=_end(cue, after.start if after is not None else None))
        for cue, after in pairwise([*cues, None])
        if cue is not None
    ]


def srt_of(cues: Sequence[Cue]) -> str:
    return "\n".join(
        f"{number}\n{_time_line(cue, ',')}\n{_escape_arrow(cue.text)}\n" for number, cue in enumerate(cues, 1)
    )


def vtt_of(cues: Sequence[Cue]) -> str:
    """Render WebVTT; markup characters are escaped (WebVTT, section 3)."""
    blocks = [f"{_time_line(cue, '.')}\n{escape_markup(_escape_arrow(cue.text))}\n" for cue in cues]
    return "\n".join(["WEBVTT\n", *blocks])


def _with_ends(segments: Sequence[Segment]) -> list[tuple[Segment, float]]:
    """Return the spoken segments by start, each with an end after its start and not after the next start."""
    spoken = sorted((segment for segment in segments if segment.text.strip()), key=lambda segment: segment.start)
    timed: list[tuple[Segment, float]] = []
    for segment, after in pairwise([*spoken, None]):
        assert segment is not None
        end = segment.end if segment.end is not None else segment.start
        if end <= segment.start:
            end = after.start if after is not None and after.start > segment.start else segment.start + _UNKNOWN_END
        if after is not None and segment.start < after.start < end:
            end = after.start
        timed.append((segment, end))
    return timed


def _pieces(text: str) -> list[str]:
    """Return the words; a stretch longer than a line (languages without spaces) is cut."""
    return [word[at : at + LINE] for word in text.split() for at in range(0, len(word), LINE)]


def _belongs_to_cue(group: list[TimedWord], word: TimedWord) -> bool:
    """Return whether the word still belongs to the cue that `group` is."""
    first, last = group[0], group[-1]
    length = sum(len(spoken.text) + 1 for spoken in group)
    if word.speaker != first.speaker or word.start - last.end > _PAUSE or word.end - first.start > _LONGEST:
        return False
    if len(_lines([*(spoken.text for spoken in group), word.text])) > LINES:
        return False
    if _SENTENCE_END.search(last.text):
        return length < LINE / 2
    return not (_CLAUSE_END.search(last.text) and length > LINE * 1.4)


def _merge_orphans(groups: list[list[TimedWord]]) -> list[list[TimedWord]]:
    """Move words from a full cue to a following one of a single short word, where the speech goes on."""
    for before, after in pairwise(groups):
        is_orphan = len(after) == 1 and len(before) > 3 and after[0].speaker == before[0].speaker
        if is_orphan and after[0].start - before[-1].end <= _PAUSE and not _SENTENCE_END.search(before[-1].text):
            after[:0] = before[-2:]
            del before[-2:]
    return groups


def _cue(group: Sequence[TimedWord]) -> Cue:
    texts = [word.text for word in group]
    return Cue(group[0].start, group[-1].end, "\n".join(_balanced(texts)), group[0].speaker)


def _lines(texts: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        if lines and len(longer := join_words((lines[-1], text))) <= LINE:
            lines[-1] = longer
        else:
            lines.append(text)
    return lines


def _balanced(texts: Sequence[str]) -> list[str]:
    """Break into two lines of about the same length, after punctuation where there is any near the middle."""
    whole = join_words(texts)
    if len(whole) <= LINE:
        return [whole]
    breaks = [(join_words(texts[:at]), join_words(texts[at:])) for at in range(1, len(texts))]
    fitting = [pair for pair in breaks if max(map(len, pair)) <= LINE]
    if not fitting:
        return _lines(texts)

    def cost(pair: tuple[str, str]) -> float:
        uneven = abs(len(pair[0]) - len(pair[1]))
        return uneven - (12 if _SENTENCE_END.search(pair[0]) or _CLAUSE_END.search(pair[0]) else 0)

    first, second = min(fitting, key=cost)
    return [first, second]


def _end(cue: Cue, after: float | None) -> float:
    """Return the end of the cue: late enough to be read, but not after the start of the next."""
    wanted = max(cue.end, cue.start + _SHORTEST, cue.start + min(_LONGEST, len(cue.text) / _SPEED))
    if after is None or wanted <= after:
        return wanted
    return after if after > cue.start else cue.end


def _time_line(cue: Cue, point: str) -> str:
    return time_line(round(cue.start * 1000), round(cue.end * 1000), point)


def _escape_arrow(text: str) -> str:
    return text.replace("-->", "→")
