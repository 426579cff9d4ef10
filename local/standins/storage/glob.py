"""`matchGlob`: `*` and `?` within a path segment, `**` across them, `[abc]`, `[!a-z]`, `{one,other}`.

A match takes time linear in the name: the set of places in the glob that have been reached is followed as the bits of
one number, where a regular expression would try one way after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from local.standins.storage.errors import invalid

_LONGEST = 4_096
"""Characters of a glob; a name has at most 1,024."""
_MAX_REMEMBERED = 10_000
_PIECE = re.compile(r"\*\*/?|\\.|.", re.DOTALL)
_Accepts = Callable[[str], bool]
"""Whether a place of the glob takes a character."""


class Glob:
    """A compiled glob. Raises ApiError (400) for one that is malformed."""

    def __init__(self, text: str) -> None:
        self._steps: list[_Accepts] = []
        self._skips: list[tuple[int, int]] = []
        """Pairs of places: reaching the first reaches the second too. The second always lies behind the first."""
        self._loops_in_segment = self._loops = 0
        """Places, as bits, at which any character but a slash, or any at all, may repeat."""
        self._groups: list[tuple[int, list[int]]] = []
        """For each brace that is open: its place, and the ends of its alternatives so far."""
        self._next: dict[tuple[int, str], int] = {}
        if len(text) > _LONGEST:
            raise invalid(f"Invalid match glob: it has more than {_LONGEST} characters.")
        try:
            for piece in _pieces(text):
                self._add(piece)
        except (ValueError, IndexError):
            raise invalid(f"Invalid match glob: {text}") from None
        if self._groups:
            raise invalid(f"Invalid match glob: {text}")
        self._skips.sort()

    def fullmatch(self, name: str) -> bool:
        reached = self._with_skips(1)
        for character in name:
            key = (reached, character)
            if key not in self._next:
                if len(self._next) >= _MAX_REMEMBERED:
                    self._next.clear()
                self._next[key] = self._after(reached, character)
            reached = self._next[key]
            if not reached:
                return False
        return bool(reached >> len(self._steps) & 1)

    def _add(self, piece: str) -> None:
        place = len(self._steps)
        if piece == "**/":
            # Nothing, or anything that ends with a slash.
            self._skips += [(place, place + 1), (place, place + 2)]
            self._steps += [_nothing, "/".__eq__]
            self._loops |= 2 << place
        elif piece in ("*", "**"):
            self._skip_to(place + 1)
            if piece == "*":
                self._loops_in_segment |= 1 << place
            else:
                self._loops |= 1 << place
        elif piece == "{":
            self._groups.append((place, []))
            self._skip_to(place + 1)
        elif piece == "}" or (piece == "," and self._groups):
            opened, ends = self._groups[-1]
            ends.append(place)
            self._steps.append(_nothing)
            if piece == ",":
                self._skips.append((opened, place + 1))
            else:
                self._groups.pop()
                self._skips += [(end, place + 1) for end in ends]
        elif piece == "?":
            self._steps.append("/".__ne__)
        elif piece.startswith("["):
            self._steps.append(_character_set(piece[1:-1]))
        else:
            self._steps.append(piece[-1].__eq__)

    def _skip_to(self, place: int) -> None:
        """Append a place that no character leads on from, but that reaches `place` by itself."""
        self._skips.append((len(self._steps), place))
        self._steps.append(_nothing)

    def _after(self, reached: int, character: str) -> int:
        loops = self._loops if character == "/" else self._loops | self._loops_in_segment
        advanced = 0
        for place, accepts in enumerate(self._steps):
            if reached >> place & 1 and accepts(character):
                advanced |= 2 << place
        return self._with_skips(advanced | (reached & loops))

    def _with_skips(self, reached: int) -> int:
        for place, further in self._skips:
            reached |= (reached >> place & 1) << further
        return reached


def _pieces(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] == "[":
            piece = text[at : text.index("]", at + 2) + 1]
        else:
            match = _PIECE.match(text, at)
            assert match is not None
            piece = match.group()
        yield piece
        at += len(piece)


def _character_set(members: str) -> _Accepts:
    negated = "^/" if members[0] in "!^" else ""
    quoted = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[1:] if negated else members)
    try:
        pattern = re.compile(f"[{negated}{quoted}]", re.DOTALL)
    except re.error as error:
        raise ValueError(str(error)) from error
    return lambda character: pattern.match(character) is not None


def _nothing(_character: str) -> bool:
    return False
