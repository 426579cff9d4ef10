"""Bound the nesting of HTML in linear time: a parser's work on each tag grows with the number of open elements.

Overestimates: every start tag counts, also in comments and quotes, and an end tag counts only if it certainly closes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

DEEPEST = 512
"""Open elements at once. Documents have tens; some parsers give up at 512 too."""
_LONGEST_TAG = 2048
"""Characters within which a tag must end; a longer one counts as never closed."""
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[a-z][^\s/>]*+)(?:[^\s>\"'=]++|=\s*+(?:\"[^\"]*+\"|'[^']*+')?|\s++)*+>", re.IGNORECASE
)
_START = re.compile(r"<([a-z][^\s/<>]{0,30})", re.IGNORECASE)
_RAW = re.compile(
    r"<(script|style|textarea|title|xmp|iframe|noembed|noframes|noscript|plaintext)(?=[\s/>])", re.IGNORECASE
)
_NEVER_NEST = frozenset(
    {"area", "base", "body", "br", "col", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li", "link"}
    | {"meta", "p", "param", "source", "track", "wbr"}
)
"""Void elements, elements closed by the next of their kind, and elements that occur once."""
_IMPLIED = frozenset(
    {"caption", "colgroup", "optgroup", "option", "rb", "rp", "rt", "rtc", "tbody", "td", "tfoot", "th", "thead", "tr"}
)
"""The same, closed at the latest by their table, list or ruby."""
_BREAK_OUT = frozenset({"body", "br", "dd", "dt", "embed", "head", "hr", "img", "li", "meta", "p"})
"""Of all these, those that end SVG and MathML. The others nest in them like any element."""
_BARRIERS = frozenset({"applet", "marquee", "object", "table", "template", "svg", "math", "foreignobject"})
"""No end tag closes anything outside of these."""
_FORMATTING = frozenset(
    {"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"}
)
"""A parser opens these anew wherever their parent ended first, and their end leaves open what they hold."""


def too_deep(html: str) -> bool:
    """Return whether more than `DEEPEST` elements may be open at once."""
    open_elements: list[str] = []
    unclosed_formatting = 0
    foreign = False
    for end, name in _tags(html):
        foreign = foreign or name in ("svg", "math")
        if name in _NEVER_NEST | _IMPLIED and (not foreign or name in _BREAK_OUT):
            continue
        if not end:
            open_elements.append(name)
        elif (place := _closed(open_elements, name, foreign)) is None:
            unclosed_formatting -= name in _FORMATTING and unclosed_formatting > 0
        elif name in _FORMATTING or name == "form":
            del open_elements[place]
        else:
            unclosed_formatting += sum(tag in _FORMATTING for tag in open_elements[place + 1 :])
            del open_elements[place:]
        if len(open_elements) + unclosed_formatting > DEEPEST:
            return True
    return False


def _closed(open_elements: list[str], name: str, foreign: bool) -> int | None:
    """Return the index of the element that an end tag closes. In SVG and MathML only the innermost is certain."""
    for place in range(len(open_elements) - 1, -1, -1):
        if open_elements[place] == name:
            return place
        if foreign or open_elements[place] in _BARRIERS:
            return None
    return None


def _tags(html: str) -> Iterator[tuple[bool, str]]:
    """Yield each tag: whether it is an end tag, and its name. In comments, everything that looks like a start tag."""
    position = 0
    while (start := html.find("<", position)) >= 0:
        tag = _TAG.match(html, start, start + _LONGEST_TAG)
        raw = _RAW.match(html, start)
        position = tag.end() if tag is not None else start + 1
        if tag is not None and raw is None:
            yield bool(tag["end"]), tag["name"].lower()
            # What looks like a quoted value may be read otherwise: then these are tags.
            yield from _starts(html, start + 1, position)
            continue
        if html.startswith("<!--", start):
            position = _end_of(html, "-->", start + 4)
        elif raw is not None:
            position = _end_of(html, f"</{raw[1]}", start)
        elif html.startswith(("</", "<!", "<?"), start):
            position = _end_of(html, ">", start)
        elif (bare := _START.match(html, start)) is not None:
            yield False, bare[1].lower()
            continue
        yield from _starts(html, start, position)


def _starts(html: str, start: int, end: int) -> Iterator[tuple[bool, str]]:
    return ((False, tag[1].lower()) for tag in _START.finditer(html, start, end))


def _end_of(html: str, text: str, start: int) -> int:
    place = html.find(text, start)
    return len(html) if place < 0 else place + len(text)
