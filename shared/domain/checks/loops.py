"""Was the model caught in a loop? Then it says one thing over and over, and most often to the end."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from shared.domain.checks.words import Piece, pieces

_REPEATS = 6
_WORDS = 12
"""What is shorter must come more often: people do say "no, no, no"."""
_LEAST_WORDS = 0.5
_LONGEST_PHRASE = 30
"""Pieces: words, or characters of a script that divides none."""
_LOOKED_AT = 30_000
"""Pieces of the beginning, and as many of the end."""


def repeated_phrase(text: str) -> str | None:
    """A phrase that stands six times or more in a row (twelve where it is one word), or None."""
    said = pieces(text)
    for part in (said[:_LOOKED_AT], said[_LOOKED_AT:][-_LOOKED_AT:]):
        if phrase := _repeated(part):
            end = phrase[-1].start + len(phrase[-1].text)
            return " ".join(text[phrase[0].start : end].split())
    return None


def _repeated(said: Sequence[Piece]) -> Sequence[Piece] | None:
    words = [each.text for each in said]
    for length in range(1, _LONGEST_PHRASE + 1):
        run, least = 0, length * (_REPEATS - 1)
        for index in range(length, len(words)):
            run = run + 1 if words[index] == words[index - length] else 0
            if run >= least:
                phrase = said[index - length + 1 : index + 1]
                if run >= length * (_repeats(phrase) - 1):
                    return phrase
    return None


def _repeats(phrase: Sequence[Piece]) -> int:
    return max(_REPEATS, ceil(_WORDS / max(_LEAST_WORDS, sum(each.words for each in phrase))))
