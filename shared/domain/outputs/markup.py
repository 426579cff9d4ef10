"""Answers that are documents: the fence around them taken off, and HTML made safe to open.

A model's HTML is whatever the document it read told it to write: nothing that runs, loads or leaves is let through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from urllib.parse import quote

from shared.domain.answer.citations import Page
from shared.domain.outputs.nesting import too_deep

_FENCE = re.compile(r" {0,3}(?P<ticks>`{3,})[ \t]*+(?P<kind>[\w+-]*+)[ \t]*+")
"""A line that opens or closes a fence."""
_DOCUMENTS = frozenset({"html", "json", "markdown", "md"})
"""Kinds that a whole answer is put into a fence as."""
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?::[a-zA-Z][a-zA-Z0-9-]*)?(?=[\s/>])|<!--|<!doctype\b|<\?", re.IGNORECASE)
_COLOUR = re.compile(r"\b(?:rgb|hsl)a?\([^()]*\)", re.IGNORECASE)
_BLOCKS = "address article aside blockquote dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main "
_BLOCKS += "nav ol p pre section ul"
_TEXT = (
    "a abbr b bdi bdo br cite code del em i ins kbd mark q rp rt ruby s samp small span strong sub sup time u var wbr"
)
_TABLES = "caption col colgroup table tbody td tfoot th thead tr"
_TAGS = frozenset(f"{_BLOCKS} {_TEXT} {_TABLES}".split())
_OF_A_PAGE = _TAGS | {"!doctype", "html", "head", "body", "center", "font", "img", "svg"}
_ATTRIBUTES = {
    "*": {"style", "align", "dir", "lang", "title"},
    "a": {"href"},
    "td": {"colspan", "rowspan", "valign", "headers"},
    "th": {"colspan", "rowspan", "valign", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start", "type", "reversed"},
    "li": {"value"},
    "time": {"datetime"},
}
_STYLED = "border border-bottom border-collapse border-left border-right border-spacing border-top color font-family "
_STYLED += "font-size font-style font-variant font-weight line-height list-style-type margin margin-bottom margin-left "
_STYLED += "margin-right margin-top padding padding-bottom padding-left padding-right padding-top text-align "
_STYLED += "text-decoration text-indent text-transform vertical-align white-space width"
_STYLES = frozenset(_STYLED.split())
_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
</head>
<body>
{body}
</body>
</html>
"""


def unfenced(text: str) -> str:
    """Without the ``` fence that models like to put around a whole document."""
    lines = text.strip().split("\n")
    opened = _FENCE.fullmatch(lines[0].rstrip())
    if opened is None:
        return text
    end = _end_of_fence(lines, 0)
    if end == len(lines) - 1 or (end is None and opened["kind"].lower() in _DOCUMENTS):
        return "\n".join(lines[1:end])
    return text


def in_fence(text: str, kind: str) -> str | None:
    """What the one fence of this kind holds that has only words around it ("Here is the HTML:"), or None."""
    lines = text.split("\n")
    fences = [_FENCE.fullmatch(line.rstrip()) for line in lines]
    starts = [index for index, found in enumerate(fences) if found and found["kind"].lower() == kind]
    if len(starts) != 1:
        return None
    end = _end_of_fence(lines, starts[0])
    around = [*lines[: starts[0]], *(lines[end + 1 :] if end is not None else [])]
    if any(_TAG.search(line) or _FENCE.fullmatch(line.rstrip()) for line in around):
        return None
    return "\n".join(lines[starts[0] + 1 : end])


def _end_of_fence(lines: Sequence[str], start: int) -> int | None:
    """The line that closes the fence of line `start`; fences within it, which name their kind, are passed over."""
    ticks, depth = 0, 0
    for index in range(start, len(lines)):
        found = _FENCE.fullmatch(lines[index].rstrip())
        if found is None or len(found["ticks"]) < ticks:
            continue
        ticks = ticks or len(found["ticks"])
        depth += 1 if found["kind"] or index == start else -1
        if depth == 0:
            return index
    return None


def with_sources(text: str, pages: Sequence[Page]) -> str:
    """Markdown with the pages that it rests on listed at its end."""
    if not pages:
        return text
    links = (f"[{_plain(page.title)}](<{_address(page.url)}>)" for page in pages)
    listed = "\n".join(f"{number}. {link}" for number, link in enumerate(links, 1))
    return f"{text.rstrip()}\n\nSources:\n\n{listed}\n"


def _plain(title: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(title.split()))


def _address(url: str) -> str:
    """Without what would end it within <…>."""
    return re.sub(r"[\s<>\\]", lambda found: quote(found[0]), url)


def page(answer: str, title: str) -> str:
    """A page of its own that keeps the answer's layout (structure, tables, alignment) and nothing that acts.

    HTML that nests deeper than any document is shown as its text: cleaning it would take time quadratic in its depth.
    """
    import nh3

    # UTF-8 has no halves of characters, which JSON can name.
    whole = answer.encode(errors="replace").decode()
    fenced = in_fence(whole, "html")
    fragment = (unfenced(whole) if fenced is None else fenced).strip()
    if not _is_html(fragment) or too_deep(fragment):
        return _PAGE.format(title=html.escape(title), body=f"<pre>{html.escape(fragment)}</pre>")
    clean = nh3.clean(
        _without_false_tags(fragment),
        tags=_TAGS,
        clean_content_tags={"script", "style", "title"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=_attribute,
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return _PAGE.format(title=html.escape(title), body=clean)


def _is_html(text: str) -> bool:
    """Whether it has a tag that a document has; <a@b.c> is none, nor is the <name> of a form letter."""
    return any(found[0].lower().strip("</") in _OF_A_PAGE for found in _TAG.finditer(text))


def _without_false_tags(text: str) -> str:
    """`<` as a character where it opens no tag, so that <a@b.c> and <https://example.org> stay to be read."""
    tags = {found.start() for found in _TAG.finditer(text)}
    return re.sub("<", lambda found: "<" if found.start() in tags else "&lt;", text)


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """A style without what loads or computes: `url()`, `expression()` and all that a backslash could spell."""
    if name != "style":
        return value
    kept = [each for each in value.split(";") if "\\" not in each and "(" not in _COLOUR.sub("", each)]
    return ";".join(kept) or None
