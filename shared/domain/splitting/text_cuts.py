"""Cut a text into pieces that a model takes: at the ends of paragraphs, else of sentences, else between words."""

from __future__ import annotations

import re
from collections.abc import Callable

_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]]*\s+|[。！？]+[」』”]*|\n")
_WORD = re.compile(r"\s+")
_LEAST_SHARE = 0.5
"""Share of the longest piece that a piece has at least, for a better place to cut."""

Cut = tuple[int, int]
"""Where a piece begins and ends, in characters of the text."""


def cut_by_bytes(text: str, most: int) -> list[Cut]:
    """Return pieces of at most `most` bytes of UTF-8 each, without those that are blank."""

    def end(start: int) -> int:
        whole = text[start : start + most].encode("utf-8", "replace")
        return start + len(whole[:most].decode("utf-8", "ignore"))

    return _cut(text, end)


def cut_by_characters(text: str, most: int) -> list[Cut]:
    """Return pieces of at most `most` characters each, without those that are blank."""
    return _cut(text, lambda start: min(len(text), start + most))


def _cut(text: str, furthest: Callable[[int], int]) -> list[Cut]:
    cuts: list[Cut] = []
    start = 0
    while start < len(text):
        most = max(start + 1, furthest(start))
        end = most if most >= len(text) else _best_end(text, start, most)
        if text[start:end].strip():
            cuts.append((start, end))
        start = end
    return cuts


def _best_end(text: str, start: int, most: int) -> int:
    least = start + int((most - start) * _LEAST_SHARE)
    for pattern in (_PARAGRAPH, _SENTENCE, _WORD):
        ends = [match.end() for match in pattern.finditer(text, least, most)]
        if ends:
            return ends[-1]
    return most
