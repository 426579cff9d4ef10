"""Patterns for the names of objects: `*` and `?` within a folder, `**` across folders (`**/` also none), `[abc]`.

Names are others' and patterns the operator's, so that a match takes steps in proportion to the one times the other:
what Python's `re` makes of several stars takes a power of the name's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

_Test = Callable[[str], bool]


def _within(character: str) -> bool:
    return character != "/"


def _any(_character: str) -> bool:
    return True


class Glob:
    """One pattern. ValueError for a bracket that is never closed, and for a range that runs backwards.

    It is a row of states. In each, a character may lead on to the next one or be passed over; some need none.
    """

    def __init__(self, glob: str) -> None:
        self._on: list[_Test | None] = []
        self._stay: list[_Test | None] = []
        self._skip: list[int] = []
        """How many states ahead one may go without a character."""
        for on, stay, skip in _states(glob):
            self._on.append(on)
            self._stay.append(stay)
            self._skip.append(skip)
        self._end = len(self._on)

    def fullmatch(self, name: str) -> bool:
        """Whether all of the name fits."""
        states = self._reached({0})
        for character in name:
            ahead: set[int] = set()
            for state in states:
                if state == self._end:
                    continue
                if (on := self._on[state]) is not None and on(character):
                    ahead.add(state + 1)
                if (stay := self._stay[state]) is not None and stay(character):
                    ahead.add(state)
            if not ahead:
                return False
            states = self._reached(ahead)
        return self._end in states

    def _reached(self, states: set[int]) -> set[int]:
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            for further in range(state + 1, state + 1 + (self._skip[state] if state < self._end else 0)):
                if further not in states:
                    states.add(further)
                    waiting.append(further)
        return states


@cache
def glob_pattern(glob: str) -> Glob:
    return Glob(glob)


def _states(glob: str) -> Iterator[tuple[_Test | None, _Test | None, int]]:
    """What leads on from each state, what is passed over in it, and how far one may go without a character."""
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at):
            # Past the whole, or into a state that a slash alone leads out of.
            yield None, None, 2
            yield (lambda character: character == "/"), _any, 0
            at += 3
        elif glob.startswith("**", at):
            yield None, _any, 1
            at += 2
        elif glob[at] == "*":
            yield None, _within, 1
            at += 1
        elif glob[at] == "?":
            yield _within, None, 0
            at += 1
        elif glob[at] == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise ValueError(f"the [ in {glob!r} is never closed")
            yield _members(glob[at + 1 : end], glob), None, 0
            at = end + 1
        else:
            yield glob[at].__eq__, None, 0
            at += 1


def _members(written: str, glob: str) -> _Test:
    negated = written[0] in "!^"
    rest = written[1:] if negated else written
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(rest):
        last = rest[at + 2] if rest[at + 1 : at + 2] == "-" and at + 2 < len(rest) else rest[at]
        if last < rest[at]:
            raise ValueError(f"{rest[at]}-{last} in {glob!r} runs backwards")
        ranges.append((rest[at], last))
        at += 3 if last != rest[at] or rest[at + 1 : at + 3] == f"-{last}" else 1

    def fits(character: str) -> bool:
        found = any(first <= character <= last for first, last in ranges)
        return not found and character != "/" if negated else found

    return fits
