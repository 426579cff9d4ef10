"""Match object names against globs: `*` and `?` within a folder, `**` across folders (`**/` also none), `[abc]`.

Names are untrusted, so matching takes time linear in the name: it tracks all reached positions of the glob at once, one
bit each. A regular expression would backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

_MAX_CACHED = 1_000
"""Characters whose transitions are cached; names may contain more than a million different ones."""
_Matcher = Callable[[str], bool]
"""Returns whether a character matches one position of the glob."""


class Glob:
    """A compiled glob. Raises ValueError for a bracket that is never closed, or a range that runs backwards."""

    def __init__(self, text: str) -> None:
        self._steps: list[_Matcher] = []
        self._skips: list[tuple[int, int]] = []
        """Positions that are reached together with another one, in order."""
        self._stays_in_folder = self._stays = 0
        """Positions, as bits, that stay reached after a character other than a slash, or after any character."""
        self._advances: dict[str, int] = {}
        for piece in _pieces(text):
            self._add(piece)

    def fullmatch(self, name: str) -> bool:
        reached = self._with_skips(1)
        for character in name:
            stays = self._stays if character == "/" else self._stays | self._stays_in_folder
            reached = self._with_skips((reached & self._advance(character)) << 1 | (reached & stays))
            if not reached:
                return False
        return bool(reached >> len(self._steps) & 1)

    def _add(self, piece: str) -> None:
        at = len(self._steps)
        if piece == "**/":
            # Nothing, or anything that ends with a slash.
            self._skips += [(at, at + 1), (at, at + 2)]
            self._steps += [_match_nothing, "/".__eq__]
            self._stays |= 2 << at
        elif piece in ("*", "**"):
            self._skips.append((at, at + 1))
            self._steps.append(_match_nothing)
            if piece == "*":
                self._stays_in_folder |= 1 << at
            else:
                self._stays |= 1 << at
        elif piece == "?":
            self._steps.append("/".__ne__)
        elif piece[0] == "[":
            self._steps.append(_character_class(piece[1:-1]))
        else:
            self._steps.append(piece[-1].__eq__)

    def _advance(self, character: str) -> int:
        """Return the positions, as bits, that the character advances."""
        if character not in self._advances:
            if len(self._advances) == _MAX_CACHED:
                self._advances.clear()
            advanced = (bool(step(character)) << place for place, step in enumerate(self._steps))
            self._advances[character] = sum(advanced)
        return self._advances[character]

    def _with_skips(self, reached: int) -> int:
        for place, further in self._skips:
            reached |= (reached >> place & 1) << further
        return reached


@cache
def glob_pattern(glob: str) -> Glob:
    return Glob(glob)


def _pieces(glob: str) -> Iterator[str]:
    at = 0
    while at < len(glob):
        if glob.startswith("**/", at):
            piece = "**/"
        elif glob.startswith("**", at):
            piece = "**"
        elif glob[at] == "[":
            end = glob.find("]", at + 2)
            if end < 0:
                raise ValueError(f"the [ in {glob!r} is never closed")
            piece = glob[at : end + 1]
        else:
            piece = glob[at]
        yield piece
        at += len(piece)


def _character_class(members: str) -> _Matcher:
    negated = "^/" if members[0] in "!^" else ""
    quoted = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[1:] if negated else members)
    try:
        compiled = re.compile(f"[{negated}{quoted}]", re.DOTALL)
    except re.error as error:
        raise ValueError(f"[{members}]: {error}") from error
    return lambda character: compiled.match(character) is not None


def _match_nothing(_character: str) -> bool:
    return False
