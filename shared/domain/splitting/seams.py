"""Join the transcripts of overlapping parts: words that both parts have are kept once.

first part   … and then he said goodbye and lef
second part                  d goodbye and left the house …
joined       … and then he said goodbye and left the house …
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_SLACK = 3.0
"""Seconds by which a model's times may be off."""
_OFF = 12.0
"""The most seconds between the times of a word in the two parts: words within a segment have no times of their own."""
_MAX_WORDS = 160
"""The most words on each side of a seam to compare: 10 seconds have at most 50, and segments may be longer."""
_EDGE_WORDS = 90
"""Without times, how far from its edge the words that both parts heard may lie."""
_LEAST_RUN, _LEAST_RUN_UNTIMED = 2, 4
"""Words that must agree, one after the other, for the parts to be joined there."""
_WORDS_A_SECOND = 2.5
_WORD = re.compile(r"\w+(?:['’\-]\w+)*|[^\W\s]", re.UNICODE)
_NO_SPACES = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿฀-๿]")
"""Scripts that are written without spaces: each letter counts as a word."""


class Piece(NamedTuple):
    """A stretch of a transcript; times are in seconds from the beginning of the source, `end` may be None."""

    start: float
    end: float | None
    text: str
    origin: int = 0
    """The object that it was made from, for callers that write it again."""


class _Word(NamedTuple):
    key: str
    when: float
    piece: int
    begin: int
    """Characters into the piece's text, as is `end`."""
    end: int


class _Run(NamedTuple):
    first: int
    second: int
    length: int


def join_pieces(
    first: Sequence[Piece], second: Sequence[Piece], cut: float, overlap: float
) -> tuple[list[Piece], bool]:
    """Join the pieces of two neighbouring parts that share `overlap` seconds around `cut`.

    Also returns whether they agree. If both have words there but none agree, they are joined by times alone.
    """
    half = overlap / 2
    tail = _words(first, cut - half - _SLACK, float("inf"))[-_MAX_WORDS:]
    head = _words(second, float("-inf"), cut + half + _SLACK)[:_MAX_WORDS]
    run = _best_run(tail, head)
    if run is None:
        return _by_times(first, second, cut), not (_near(tail, cut, half) and _near(head, cut, half))
    return _at(first, second, tail, head, run, cut), True


def join_texts(first: str, second: str) -> tuple[str, bool]:
    """Join two transcripts without times; also return whether shared words were found."""
    tail = _words([Piece(0.0, None, first)], float("-inf"), float("inf"))[-_EDGE_WORDS:]
    head = _words([Piece(0.0, None, second)], float("-inf"), float("inf"))[:_EDGE_WORDS]
    run = _longest_run(tail, head)
    if run is None:
        return f"{first.rstrip()}\n{second.lstrip()}", not (tail and head)
    after = head[run.second + run.length - 1].end
    return first[: tail[run.first + run.length - 1].end] + second[after:], True


def _words(pieces: Sequence[Piece], after: float, before: float) -> list[_Word]:
    """Return the words of the pieces between two times."""
    words: list[_Word] = []
    for index, piece in enumerate(pieces):
        until = _end(pieces, index)
        if until < after or piece.start > before:
            continue
        matches = _split(piece.text)
        for number, (begin, end) in enumerate(matches):
            when = piece.start + (until - piece.start) * (number + 0.5) / len(matches)
            words.append(_Word(piece.text[begin:end].casefold(), when, index, begin, end))
    return words


def _split(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        begin, end = match.span()
        if _NO_SPACES.search(text, begin, end):
            spans += [(at, at + 1) for at in range(begin, end)]
        else:
            spans.append((begin, end))
    return spans


def _end(pieces: Sequence[Piece], index: int) -> float:
    piece = pieces[index]
    if piece.end is not None:
        return max(piece.start, piece.end)
    slowly = piece.start + 1 + 2 * len(_split(piece.text)) / _WORDS_A_SECOND
    after = pieces[index + 1].start if index + 1 < len(pieces) else slowly
    return min(after, slowly) if after > piece.start else slowly


def _near(words: Sequence[_Word], cut: float, half: float) -> bool:
    return any(abs(word.when - cut) < half for word in words)


def _runs(tail: Sequence[_Word], head: Sequence[_Word]) -> list[_Run]:
    """Return the longest runs of equal words, each as far as it goes."""
    runs: list[_Run] = []
    before = [0] * (len(head) + 1)
    for row, word in enumerate(tail):
        here = [0] * (len(head) + 1)
        for column, other in enumerate(head):
            if word.key == other.key:
                length = here[column + 1] = before[column] + 1
                ends = row + 1 == len(tail) or column + 1 == len(head) or tail[row + 1].key != head[column + 1].key
                if ends:
                    runs.append(_Run(row + 1 - length, column + 1 - length, length))
        before = here
    return runs


def _best_run(tail: Sequence[_Word], head: Sequence[_Word]) -> _Run | None:
    """Return the longest run that has about the same time in both parts.

    Repeated words can match in several ways; then the times decide.
    """

    def off(run: _Run) -> float:
        return abs(tail[run.first + run.length // 2].when - head[run.second + run.length // 2].when)

    fitting = [run for run in _runs(tail, head) if off(run) <= _OFF and _is_enough(run, tail, _LEAST_RUN)]
    longest = max(fitting, key=lambda run: (run.length, -off(run)), default=None)
    if longest is None or not _is_whole(longest, tail):
        return longest
    return min((run for run in fitting if _is_whole(run, tail) and 2 * run.length >= longest.length), key=off)


def _is_whole(run: _Run, tail: Sequence[_Word]) -> bool:
    """Return whether the run is all that ends one part and begins the other."""
    return run.first + run.length == len(tail) and run.second == 0


def _longest_run(tail: Sequence[_Word], head: Sequence[_Word]) -> _Run | None:
    """Without times: return the longest run; of equally long ones, the nearest to both edges."""
    fitting = [run for run in _runs(tail, head) if _is_enough(run, tail, _LEAST_RUN_UNTIMED)]
    return max(fitting, key=lambda run: (run.length, run.first - run.second), default=None)


def _is_enough(run: _Run, tail: Sequence[_Word], least: int) -> bool:
    """Return whether the run is no coincidence: long enough, or all that ends one part and begins the other."""
    return run.length >= least or _is_whole(run, tail)


def _at(
    first: Sequence[Piece],
    second: Sequence[Piece],
    tail: Sequence[_Word],
    head: Sequence[_Word],
    run: _Run,
    cut: float,
) -> list[Piece]:
    """Join at a place in the run: where a piece of one part begins or ends, if there is one, the nearest to the cut."""

    def rank(at: int) -> tuple[bool, float]:
        begins = at < run.length and _begins_piece(head, run.second + at)
        ends = at > 0 and _ends_piece(tail, run.first + at - 1)
        place = tail[run.first + min(at, run.length - 1)].when
        return not (begins or ends), abs(place - cut)

    at = min(range(run.length + 1), key=rank)
    kept = _up_to(first, tail, run.first + at)
    rest = _from(second, head, run.second + at)
    if kept and rest and kept[-1].end is not None and rest[0].start < kept[-1].end:
        middle = rest[0].start if rest[0].start > kept[-1].start else kept[-1].end
        kept[-1] = kept[-1]._replace(end=middle)
        rest[0] = rest[0]._replace(start=middle)
    return [*kept, *rest]


def _begins_piece(words: Sequence[_Word], index: int) -> bool:
    return index == 0 or words[index - 1].piece != words[index].piece


def _ends_piece(words: Sequence[_Word], index: int) -> bool:
    return index + 1 == len(words) or words[index + 1].piece != words[index].piece


def _up_to(pieces: Sequence[Piece], words: Sequence[_Word], index: int) -> list[Piece]:
    """Return the pieces before the word at `index`. The last one may be cut."""
    if index == len(words):
        return list(pieces)
    word = words[index]
    kept = list(pieces[: word.piece])
    piece = pieces[word.piece]
    text = piece.text[: word.begin].rstrip()
    if not _begins_piece(words, index) or _split(text):
        kept.append(piece._replace(text=text, end=None if piece.end is None else word.when))
    return kept


def _from(pieces: Sequence[Piece], words: Sequence[_Word], index: int) -> list[Piece]:
    """Return the pieces from the word at `index` on. The first one may be cut."""
    if index == len(words):
        last = words[index - 1]
        rest = pieces[last.piece].text[last.end :]
        left = list(pieces[last.piece + 1 :])
        # Only closing punctuation is left of that piece.
        return left if not _split(rest) else [pieces[last.piece]._replace(text=rest.lstrip(), start=last.when), *left]
    word = words[index]
    piece = pieces[word.piece]
    if _split(piece.text[: word.begin]):
        piece = piece._replace(text=piece.text[word.begin :], start=word.when)
    return [piece, *pieces[word.piece + 1 :]]


def _by_times(first: Sequence[Piece], second: Sequence[Piece], cut: float) -> list[Piece]:
    """Join at the cut, which lies in a silence. A piece belongs to the side that has most of it."""
    before = [piece for index, piece in enumerate(first) if (piece.start + _end(first, index)) / 2 < cut]
    after = [piece for index, piece in enumerate(second) if (piece.start + _end(second, index)) / 2 >= cut]
    return [*before, *after]
