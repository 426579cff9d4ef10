"""The headings and numbered lists of Word documents. Word does not store the marks of lists: they are counted."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree.ElementTree import Element

from shared.extractor_child.ooxml import W

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_PLACE = re.compile(r"%(\d)")
_MAX_LEVELS = 9


def heading_levels(styles: Element | None) -> dict[str, int]:
    """Return the level, from 0, of each style that is a heading."""
    levels: dict[str, int] = {}
    for style in styles.iter(f"{W}style") if styles is not None else ():
        name, number = style.find(f"{W}name"), style.find(f"{W}pPr/{W}outlineLvl")
        named = (name.get(f"{W}val") or "") if name is not None else ""
        match = _HEADING.fullmatch(named)
        level = _number(number, -1) if number is not None else int(match[1]) - 1 if match else -1
        level = 0 if named.lower() == "title" else level
        if 0 <= level < _MAX_LEVELS:
            levels[style.get(f"{W}styleId", "")] = level
    return levels


class _Level(NamedTuple):
    form: str
    text: str
    start: int


class Lists:
    """Counts the items of a document's lists."""

    def __init__(self, numbering: Element | None) -> None:
        kinds: dict[str, dict[int, _Level]] = {}
        self._lists: dict[str, dict[int, _Level]] = {}
        for kind in numbering.iter(f"{W}abstractNum") if numbering is not None else ():
            kinds[kind.get(f"{W}abstractNumId", "")] = {
                _attribute(level, "ilvl"): _level(level) for level in kind.iter(f"{W}lvl")
            }
        for one in numbering.iter(f"{W}num") if numbering is not None else ():
            kind_of = one.find(f"{W}abstractNumId")
            number = kind_of.get(f"{W}val", "") if kind_of is not None else ""
            self._lists[one.get(f"{W}numId", "")] = kinds.get(number, {})
        self._counts: dict[str, list[int]] = {}

    def mark(self, paragraph: Element, style: Element | None) -> str:
        """Return the mark before a paragraph: "- ", "3. ", "2.1 " or nothing."""
        number, depth = self._place(paragraph)
        level = self._lists.get(number, {}).get(depth)
        if level is None:
            listed = style is not None and "list" in style.get(f"{W}val", "").lower()
            return "- " if number not in ("", "0") or listed else ""
        if level.form in ("bullet", "none"):
            return "- " if level.form == "bullet" else ""
        counts = self._counts.setdefault(number, [0] * _MAX_LEVELS)
        counts[depth] = counts[depth] + 1 if counts[depth] else level.start
        counts[depth + 1 :] = [0] * (_MAX_LEVELS - depth - 1)
        levels = self._lists[number]

        def counted(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            form = levels[at].form if at in levels else "decimal"
            return _written(max(counts[at], 1) if 0 <= at < _MAX_LEVELS else 1, form)

        return f"{_PLACE.sub(counted, level.text)} " if level.text else ""

    def indent(self, paragraph: Element) -> str:
        number, depth = self._place(paragraph)
        return "  " * depth if number else ""

    @staticmethod
    def _place(paragraph: Element) -> tuple[str, int]:
        number = paragraph.find(f"{W}pPr/{W}numPr/{W}numId")
        depth = paragraph.find(f"{W}pPr/{W}numPr/{W}ilvl")
        level = _number(depth, 0) if depth is not None else 0
        return (number.get(f"{W}val", "") if number is not None else ""), min(max(level, 0), _MAX_LEVELS - 1)


def _level(level: Element) -> _Level:
    form, text, start = (level.find(f"{W}{name}") for name in ("numFmt", "lvlText", "start"))
    return _Level(
        form.get(f"{W}val", "decimal") if form is not None else "decimal",
        text.get(f"{W}val", "") if text is not None else "",
        _number(start, 1) if start is not None else 1,
    )


def _written(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and number <= 26:
        return chr(ord("a" if form == "lowerLetter" else "A") + number - 1)
    if form in ("lowerRoman", "upperRoman") and number < 40:
        roman = "x" * (number // 10) + ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")[number % 10]
        return roman if form == "lowerRoman" else roman.upper()
    return str(number)


def _number(element: Element, otherwise: int) -> int:
    value = element.get(f"{W}val", "")
    return int(value) if value.isdecimal() and len(value) < 6 else otherwise


def _attribute(element: Element, name: str) -> int:
    value = element.get(f"{W}{name}", "")
    return int(value) if value.isdecimal() and len(value) < 3 else 0
