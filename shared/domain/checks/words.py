"""Split text into words: by spaces, or two characters each in scripts without spaces."""

from __future__ import annotations

import re
from typing import NamedTuple

_THAI_LAO_BURMESE_KHMER = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_CHINESE_JAPANESE_KOREAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_UNDIVIDED = f"{_THAI_LAO_BURMESE_KHMER}{_CHINESE_JAPANESE_KOREAN}"
_CHARACTER = re.compile(f"[{_UNDIVIDED}]")
_PIECE = re.compile(rf"[{_UNDIVIDED}]|[^\s{_UNDIVIDED}]+")
_LONGEST = 100
"""The longest word, in characters. Longer text without spaces ("hahahaha…") is split into characters."""


class Piece(NamedTuple):
    """A word, or a single character of a script without spaces."""

    text: str
    start: int
    """Its position in the text."""
    words: float
    """Its weight in words: a character counts half, a mark nothing."""


def count(text: str) -> int:
    characters = len(_CHARACTER.findall(text))
    return characters // 2 + len(_CHARACTER.sub(" ", text).split())


def pieces(text: str) -> list[Piece]:
    result: list[Piece] = []
    for match in _PIECE.finditer(text):
        piece, start = match[0], match.start()
        if len(piece) > _LONGEST or _CHARACTER.match(piece):
            result += [Piece(mark, start + at, 0.5 if mark.isalnum() else 0.0) for at, mark in enumerate(piece)]
        else:
            result.append(Piece(piece, start, 1.0 if any(map(str.isalnum, piece)) else 0.0))
    return result
