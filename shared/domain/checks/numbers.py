"""Read numbers as they are printed: 1,250.00, 1.250,00 and ١٬٢٥٠ are the same number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

NUMBER = re.compile(r"\d+(?:[.,'’]\d+)*")
_MARK = re.compile(r"[.,'’]")
_GROUP = 3
"""Digits between two marks of thousands."""
_ARABIC_MARKS = {"٫": ".", "٬": ","}

Mark = Literal["decimal", "group", "either"]


def with_plain_digits(text: str) -> str:
    """Return the text, as long as before, with the digits of all scripts as 0 to 9."""
    if text.isascii():
        return text
    return "".join(_ARABIC_MARKS.get(letter) or str(unicodedata.decimal(letter, letter)) for letter in text)


def readings(number: str) -> tuple[str, ...]:
    """Return what a number may mean, the likelier first: 1,250.00 means 1250; 1.250 means 1250 or 1.25."""
    groups = _MARK.split(number)
    whole = _plain("".join(groups), "")
    fraction = _plain("".join(groups[:-1]), groups[-1])
    match _last_mark(number):
        case "decimal":
            return (fraction,)
        case "either":
            return (whole, fraction)
        case _:
            return (whole,)


def decimal_marks(text: str) -> Iterator[tuple[int, Mark]]:
    """Yield the place of each mark within a number, and what it stands for."""
    for number in NUMBER.finditer(text):
        marks = [mark.start() for mark in _MARK.finditer(number[0])]
        for place in marks[:-1]:
            yield number.start() + place, "group"
        if marks:
            yield number.start() + marks[-1], _last_mark(number[0]) or "group"


def _last_mark(number: str) -> Mark | None:
    """Return what the last mark of a number stands for; None if it has no mark."""
    marks = _MARK.findall(number)
    if not marks:
        return None
    if marks[-1] not in ".," or marks.count(marks[-1]) > 1:
        # 1'250, 1.250.000; dates too.
        return "group"
    before, _, after = number.rpartition(marks[-1])
    is_group = len(marks) == 1 and len(after) == _GROUP and 1 <= len(before) <= _GROUP and before != "0"
    return "either" if is_group else "decimal"


def _plain(whole: str, fraction: str) -> str:
    digits = whole.lstrip("0") or "0"
    rest = fraction.rstrip("0")
    return f"{digits}.{rest}" if rest else digits
