"""Texts for a schema's `pattern`: one that matches it, and whether a text does.

A pattern is foreign, so both are bounded: `re` tries the ways of a match one after the other, and one pattern of a few
characters can stand for terabytes of text.
"""

from __future__ import annotations

import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from functools import lru_cache
from random import Random
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

_CATEGORIES = {
    sre.CATEGORY_DIGIT: "0123456789",
    sre.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz",
    sre.CATEGORY_SPACE: " ",
    sre.CATEGORY_NOT_DIGIT: "abc",
    sre.CATEGORY_NOT_WORD: "-",
    sre.CATEGORY_NOT_SPACE: "abc",
}
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_PRINTABLE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -_.,:/"
_MORE = 1_000
"""The most that an unbounded repetition is stretched to."""
_MAX_STEPS = 20_000
"""Of writing one text. Each step adds at most one character."""
_LONGEST_PATTERN = 10_000
_DEEPEST = 64
_MAX_CHECKS = 20_000_000
"""Characters of the text times places of the pattern: a tenth of a second or so."""


def pattern_flaw(pattern: str) -> str | None:
    """Return why a pattern is not taken, or None."""
    if len(pattern) > _LONGEST_PATTERN:
        return f"it has more than {_LONGEST_PATTERN:,} characters"
    try:
        _expanded_size(_parsed(pattern))
    except RecursionError:
        return "it is nested too deeply"
    except (parser.error, OverflowError) as error:
        return str(error)
    return None


def matches(pattern: str, text: str) -> bool:
    """Return whether the pattern occurs in the text, in time linear in both.

    True, unchecked, for a pattern whose match has no such bound (look-around, back references), and where the check
    would take too many steps.
    """
    if _expanded_size(_parsed(pattern)) * max(len(text), 1_000) > _MAX_CHECKS:
        return True
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python(text)
    except SchemaError:
        return True


def matching_text(pattern: str, random: Random, length: int = 0) -> str:
    """Return a text that the pattern matches: the shortest choices that it leaves.

    Open-ended repetitions are stretched so that the text has about `length` characters at least. The text may not match
    a pattern with look-around or back references, nor one whose shortest match takes more than 20,000 steps to write.
    """
    return _TextWriter(random).write(_parsed(pattern), length)


@lru_cache(maxsize=64)
def _parsed(pattern: str) -> Any:
    return parser.parse(pattern)


class _TextWriter:
    def __init__(self, random: Random) -> None:
        self._random, self._steps = random, 0

    def write(self, tokens: Any, length: int) -> str:
        text = ""
        for operation, argument in tokens:
            if self._steps >= _MAX_STEPS:
                break
            self._steps += 1
            text += self._write_one(operation, argument, max(0, length - len(text)))
        return text

    def _write_one(self, operation: Any, argument: Any, length: int) -> str:
        if operation is sre.LITERAL:
            return chr(argument)
        if operation is sre.NOT_LITERAL:
            return next(letter for letter in _PRINTABLE if ord(letter) != argument)
        if operation is sre.ANY:
            return self._random.choice("abcdefgh")
        if operation is sre.IN:
            return _one_of(argument, self._random)
        if operation in _REPEATS:
            least, most, inner = argument
            return self._write_repeat(least, most, inner, length)
        if operation is sre.BRANCH:
            return self.write(argument[1][0], length)
        if operation is sre.SUBPATTERN:
            return self.write(argument[-1], length)
        if operation is sre.ATOMIC_GROUP:
            return self.write(argument, length)
        if operation is sre.CATEGORY:
            return self._random.choice(_CATEGORIES[argument])
        return ""

    def _write_repeat(self, least: int, most: Any, inner: Any, length: int) -> str:
        parts: list[str] = []
        for _ in range(max(least, min(int(most), length, _MORE)) if length else least):
            if self._steps >= _MAX_STEPS or not len(inner):
                break
            parts.append(self.write(inner, 0))
        return "".join(parts)


def _expanded_size(tokens: Any, depth: int = 0) -> int:
    """Return how many places a pattern has once its repetitions are written out. Raises RecursionError past a depth."""
    if depth > _DEEPEST:
        raise RecursionError
    size = 0
    for operation, argument in tokens:
        if operation in _REPEATS:
            least, most, inner = argument
            size += max(least + 1 if most is sre.MAXREPEAT else most, 1) * _expanded_size(inner, depth + 1)
        elif operation is sre.BRANCH:
            size += sum(_expanded_size(branch, depth + 1) for branch in argument[1])
        elif operation is sre.SUBPATTERN:
            size += _expanded_size(argument[-1], depth + 1)
        elif operation is sre.ATOMIC_GROUP:
            size += _expanded_size(argument, depth + 1)
        size += 1
    return size


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
    return random.choice(sorted(allowed) or [""])
