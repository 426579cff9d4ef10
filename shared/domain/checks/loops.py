"""Detect loops: a model that repeats one phrase over and over, usually to the end of its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import ceil

from shared.domain.checks.words import Piece, pieces

_REPEATS = 6
_WORDS = 12
"""Shorter phrases must repeat more often: people do say "no, no, no"."""
_MIN_WORDS = 0.5
_LONGEST_PHRASE = 30
"""Pieces are words, or characters of scripts without spaces."""
_EXAMINED_PIECES = 30_000
"""Pieces examined at the beginning, and as many at the end."""
_CHARACTERS = 300_000
"""Characters examined: in a text of one long word, each character is a piece."""
_TAIL = 60_000
"""Characters at the end that are examined for a loop."""
_MIN_TAIL, _MIN_TAIL_WITHOUT_LETTERS = 400, 2000
"""Characters that must repeat; more if there is no letter among them: table lines are long rows of dashes."""
_LONG_REPEATS, _LONG_CHARACTERS = 4, 200
_COUNTERS = re.compile(
    r"\d{1,3}(?::\d{1,2}){1,3}(?:[.,]\d{1,6})?"
    r"|(\"(?:start|end)\"\s{0,8}:\s{0,8})\d{1,9}(?:\.\d{1,9})?"
    r"|^([ \t>*|-]{0,8})\d{1,6}(?=[.)\]:]|[ \t]{0,8}\|)",
    re.MULTILINE,
)
"""What changes while a model repeats itself: times, and the numbers of a list."""


def loop_at_end(text: str) -> str | None:
    """Return the phrase that the end of `text` repeats, ignoring times and numbers; None if it repeats none.

    An answer that was cut off in such a loop would go on with it for as long as it is paid for.
    """
    end = text[-_TAIL:]
    if length := _period(end[::-1], _MIN_TAIL_WITHOUT_LETTERS):
        return _start_at_boundary(end[-length:])
    counted = without_counters(end)
    # Columns of nothing but times or numbers are a table.
    length = _period(counted[::-1], None)
    return _start_at_boundary(counted[-length:]) if length else None


def without_counters(text: str) -> str:
    """Return the text with 0 for every time and number that changes while a model repeats itself."""
    return _COUNTERS.sub(r"\g<1>\g<2>0", text)


def _period(backwards: str, min_without_letters: int | None) -> int | None:
    """Return the length of the phrase that the beginning of `backwards` repeats often enough to be a loop.

    Computes the Z-function, which takes time linear in the text. `min_without_letters` is how many characters must
    repeat if there is no letter among them; if it is None, such text never counts as a loop.
    """
    size = len(backwards)
    first_letter = next((at for at, letter in enumerate(backwards) if letter.isalpha()), size)
    agrees = [0] * size
    left = right = 0
    for at in range(1, size):
        same = min(right - at, agrees[at - left]) if at < right else 0
        while at + same < size and backwards[same] == backwards[at + same]:
            same += 1
        agrees[at] = same
        run = at + same
        if run > right:
            left, right = at, run
        if run < max(_MIN_TAIL, at * (_LONG_REPEATS if at >= _LONG_CHARACTERS else _REPEATS)):
            continue
        if at > first_letter or (min_without_letters is not None and run >= min_without_letters):
            return at
    return None


def _start_at_boundary(phrase: str) -> str:
    """Return the phrase from its natural beginning: the match may start anywhere within it."""
    twice = phrase * 2
    for mark in ("\n", ". ", " "):
        at = twice.find(mark)
        if at >= 0:
            start = at + len(mark)
            phrase = twice[start : start + len(phrase)]
            break
    return " ".join(phrase.split()) or repr(phrase[:1])


def repeated_phrase(text: str) -> str | None:
    """Return a phrase that repeats at least six times in a row (twelve for a single word), or None."""
    begin, end = text[:_CHARACTERS], text[_CHARACTERS:][-_CHARACTERS:]
    first = pieces(begin)
    last = (end, pieces(end)[-_EXAMINED_PIECES:]) if end else (begin, first[_EXAMINED_PIECES:][-_EXAMINED_PIECES:])
    for part, passage in ((begin, first[:_EXAMINED_PIECES]), last):
        if phrase := _repeated(passage):
            return " ".join(part[phrase[0].start : phrase[-1].start + len(phrase[-1].text)].split())
    return None


def _repeated(pieces: Sequence[Piece]) -> Sequence[Piece] | None:
    words = [piece.text for piece in pieces]
    for length in range(1, _LONGEST_PHRASE + 1):
        run, least = 0, length * (_REPEATS - 1)
        for index in range(length, len(words)):
            run = run + 1 if words[index] == words[index - length] else 0
            if run >= least:
                phrase = pieces[index - length + 1 : index + 1]
                if run >= length * (_repeats(phrase) - 1):
                    return phrase
    return None


def _repeats(phrase: Sequence[Piece]) -> int:
    return max(_REPEATS, ceil(_WORDS / max(_MIN_WORDS, sum(piece.words for piece in phrase))))
