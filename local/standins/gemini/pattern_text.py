"""A text that a regular expression matches: the shortest choices that it leaves, padded where length is wanted."""

from __future__ import annotations

import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from random import Random
from typing import Any

_CATEGORIES = {
    sre.CATEGORY_DIGIT: "0123456789",
    sre.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_DIGIT: "abc",
    sre.CATEGORY_NOT_WORD: "-",
    sre.CATEGORY_NOT_SPACE: "abc",
}
_PRINTABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.,:/"
_MORE = 1_000
"""How far an unbounded repetition may be stretched."""


def matching(pattern: str, random: Random, length: int = 0) -> str:
    """Open-ended repetitions are stretched so that the text has about `length` characters at least.

    Look-around and back references are beyond it: what comes back may then not match.
    """
    return _sequence(parser.parse(pattern), random, length)


def _sequence(tokens: Any, random: Random, length: int) -> str:
    text = ""
    for operation, argument in tokens:
        text += _one(operation, argument, random, max(0, length - len(text)))
    return text


def _one(operation: Any, argument: Any, random: Random, length: int) -> str:
    if operation is sre.LITERAL:
        return chr(argument)
    if operation is sre.NOT_LITERAL:
        return next(letter for letter in _PRINTABLE if ord(letter) != argument)
    if operation is sre.ANY:
        return random.choice("abcdefgh")
    if operation is sre.IN:
        return _one_of(argument, random)
    if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        least, most, inner = argument
        count = max(least, min(int(most), length, _MORE)) if length else least
        return "".join(_sequence(inner, random, 0) for _ in range(count))
    if operation is sre.BRANCH:
        return _sequence(argument[1][0], random, length)
    if operation is sre.SUBPATTERN:
        return _sequence(argument[-1], random, length)
    if operation is sre.ATOMIC_GROUP:
        return _sequence(argument, random, length)
    if operation is sre.CATEGORY:
        return random.choice(_CATEGORIES[argument])
    return ""


def _one_of(choices: Any, random: Random) -> str:
    negated = choices[0][0] is sre.NEGATE
    allowed: set[str] = set()
    for operation, argument in choices:
        if operation is sre.LITERAL:
            allowed.add(chr(argument))
        elif operation is sre.RANGE:
            allowed |= {chr(code) for code in range(argument[0], min(argument[1], argument[0] + 128) + 1)}
        elif operation is sre.CATEGORY:
            allowed |= set(_CATEGORIES[argument])
    if negated:
        allowed = {letter for letter in _PRINTABLE if letter not in allowed}
    return random.choice(sorted(allowed))
