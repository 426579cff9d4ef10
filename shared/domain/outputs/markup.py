"""Clean up answers that are documents: remove the fence around them, and make HTML safe to open.

A document can make the model write any HTML, so everything that runs, loads or navigates is removed.
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
"""Languages of a fence around a whole answer."""
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?::[a-zA-Z][a-zA-Z0-9-]*)?(?=[\s/>])|<!--|<!doctype\b|<\?", re.IGNORECASE)
_COLOUR = re.compile(r"\b(?:rgb|hsl)a?\([^()]*\)", re.IGNORECASE)
_BLOCKS = "address article aside blockquote dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main "
_BLOCKS += "nav ol p pre section ul"
_TEXT = (
    "a abbr b bdi bdo br cite code del em i ins kbd mark q rp rt ruby s samp small span strong sub sup time u var wbr"
)
_TABLES = "caption col colgroup table tbody td tfoot th thead tr"
_TAGS = frozenset(f"{_BLOCKS} {_TEXT} {_TABLES}".split())
_KNOWN_TAGS = _TAGS | {"!doctype", "html", "head", "body", "center", "font", "img", "svg"}
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
    """Remove the ``` fence that models often put around a whole document."""
    lines = text.strip().split("\n")
    opened = _FENCE.fullmatch(lines[0].rstrip())
    if opened is None:
        return text
    end = _end_of_fence(lines, 0)
    if end == len(lines) - 1 or (end is None and opened["kind"].lower() in _DOCUMENTS):
        return "\n".join(lines[1:end])
    return text


def fence_content(text: str, kind: str) -> str | None:
    """Return the content of the only fence of this kind, if there are only words around it; else None."""
    lines = text.split("\n")
    fences = [_FENCE.fullmatch(line.rstrip()) for line in lines]
    starts = [index for index, fence in enumerate(fences) if fence and fence["kind"].lower() == kind]
    if len(starts) != 1:
        return None
    end = _end_of_fence(lines, starts[0])
    around = [*lines[: starts[0]], *(lines[end + 1 :] if end is not None else [])]
    if any(_TAG.search(line) or _FENCE.fullmatch(line.rstrip()) for line in around):
        return None
    return "\n".join(lines[starts[0] + 1 : end])


def _end_of_fence(lines: Sequence[str], start: int) -> int | None:
    """Return the line that closes the fence of line `start`, skipping fences within it, which name their language."""
    ticks, depth = 0, 0
    for index in range(start, len(lines)):
        match = _FENCE.fullmatch(lines[index].rstrip())
        if match is None or len(match["ticks"]) < ticks:
            continue
        ticks = ticks or len(match["ticks"])
        depth += 1 if match["kind"] or index == start else -1
        if depth == 0:
            return index
    return None


def with_sources(text: str, pages: Sequence[Page]) -> str:
    """Append the cited pages to Markdown."""
    if not pages:
        return text
    links = (f"[{_escape_markdown(page.title)}](<{_escape_url(page.url)}>)" for page in pages)
    listed = "\n".join(f"{number}. {link}" for number, link in enumerate(links, 1))
    return f"{text.rstrip()}\n\nSources:\n\n{listed}\n"


def _escape_markdown(title: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(title.split()))


def _escape_url(url: str) -> str:
    """Remove characters that would end a link within <…>."""
    return re.sub(r"[\s<>\\]", lambda match: quote(match[0]), url)


def page(answer: str, title: str) -> str:
    """Return an HTML page with the answer's layout (structure, tables, alignment) and nothing active.

    HTML that nests deeper than any document is shown as its text: cleaning it would take time quadratic in its depth.
    """
    import nh3

    # UTF-8 has no halves of characters, which JSON can name.
    whole = answer.encode(errors="replace").decode()
    fenced = fence_content(whole, "html")
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
    """Return whether the text has an HTML tag; <a@b.c> is none, nor is the <name> of a form letter."""
    return any(tag[0].lower().strip("</") in _KNOWN_TAGS for tag in _TAG.finditer(text))


def _without_false_tags(text: str) -> str:
    """Escape each `<` that opens no tag, so that <a@b.c> and <https://example.org> stay readable."""
    tags = {tag.start() for tag in _TAG.finditer(text)}
    return re.sub("<", lambda tag: "<" if tag.start() in tags else "&lt;", text)


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """Return a style without anything that loads or computes: `url()`, `expression()`, backslash escapes."""
    if name != "style":
        return value
    declarations = [
        declaration
        for declaration in value.split(";")
        if "\\" not in declaration and "(" not in _COLOUR.sub("", declaration)
    ]
    return ";".join(declarations) or None
