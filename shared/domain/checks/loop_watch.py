"""Detect in a stream that the answer repeats itself, so that the stream can be closed.

An answer in a loop continues to the token limit, and every token is billed. A stream is closed once the same lines have
repeated for a thousand tokens. More are required if the lines differ in times and numbers, as in the pauses of a
transcript, or have no letters, as in empty rows of a table.
"""

from __future__ import annotations

from shared.domain.checks.loops import without_counters

_TOKENS, _TOKENS_OF_LIKE_LINES = 1_000, 1_600
"""Tokens that must repeat: exactly, or but for times and numbers (or without any letter)."""
_CHARACTERS_A_TOKEN = 4
_STEP = 500
"""Characters between two checks."""
_TAIL = 40_000
"""Characters that are examined: three times the longest phrase."""
_SUFFIX = 48
_CANDIDATES = 24
_REPEATS = ((200, 6), (2_000, 4), (_TAIL, 3))
"""How often a phrase must repeat: pairs of the longest phrase in characters, and the number of times."""


class LoopWatch:
    """Collects an answer's text as it comes."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._new = 0
        self._tail = ""

    def add(self, text: str) -> str | None:
        """Add new text. Return the repeated phrase once the answer is certainly in a loop, else None."""
        self._pieces.append(text)
        self._new += len(text)
        if self._new < _STEP:
            return None
        self._tail = (self._tail + "".join(self._pieces))[-_TAIL:]
        self._pieces, self._new = [], 0
        return phrase_in_loop(self._tail)


def phrase_in_loop(tail: str) -> str | None:
    """Return the phrase that the end of a text repeats for too long, or None."""
    if period := _period(tail, _TOKENS):
        phrase = tail[-period:]
        if _is_bare_word(phrase):
            return None
        if _has_letter(phrase) or _period(tail, _TOKENS_OF_LIKE_LINES):
            return _on_one_line(phrase)
        return None
    without_numbers = without_counters(tail)
    # It is shorter than the original text, so fewer characters must repeat.
    period = _period(without_numbers, _TOKENS_OF_LIKE_LINES * len(without_numbers) // max(1, len(tail)))
    if period and _has_letter(without_numbers[-period:]):
        return _on_one_line(without_numbers[-period:])
    return None


def _period(text: str, tokens: int) -> int | None:
    """Return the length of the phrase that the end of `text` repeats for so many tokens, or None.

    If a text repeats itself, its last characters stand one period before its end: only such lengths are tried.
    """
    suffix, end = text[-_SUFFIX:], len(text) - 1
    for _ in range(_CANDIDATES):
        at = text.rfind(suffix, 0, end)
        if at < 0:
            return None
        period = len(text) - len(suffix) - at
        if _repeats(text, period, tokens):
            return period
        end = at + len(suffix) - 1
    return None


def _repeats(text: str, period: int, tokens: int) -> bool:
    phrase = text[-period:]
    least = next(times for longest, times in _REPEATS if period <= longest) * period
    needed = max(least, _characters_of(tokens, phrase))
    if needed > len(text):
        return False
    return text[-needed:] == (phrase * (needed // period + 1))[-needed:]


def _characters_of(tokens: int, phrase: str) -> int:
    """Return how many characters of the phrase make so many tokens; outside ASCII, each is about a token."""
    wide = sum(not character.isascii() for character in phrase)
    in_phrase = wide + (len(phrase) - wide) / _CHARACTERS_A_TOKEN
    return int(tokens / in_phrase * len(phrase))


def _is_bare_word(phrase: str) -> bool:
    """Return whether only one or two words repeat, without line ends or punctuation.

    Users sometimes request such text as filler. If it is a loop, it ends at the token limit.
    """
    return len(phrase.split()) <= 2 and all(character.isalnum() or character == " " for character in phrase)


def _has_letter(phrase: str) -> bool:
    return any(map(str.isalpha, phrase))


def _on_one_line(phrase: str) -> str:
    """Return the phrase from the beginning of a line or a word, on one line."""
    for mark in ("\n", " "):
        head, separator, rest = phrase.partition(mark)
        if separator and rest.strip():
            phrase = f"{rest}{mark}{head}"
            break
    return " ".join(phrase.split()) or repr(phrase[:1])
