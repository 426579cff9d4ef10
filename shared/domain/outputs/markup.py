"""Answers that are documents: the fence around them taken off, and HTML made safe to open.

A model's HTML is whatever the document it read told it to write: nothing that runs, loads or leaves is let through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from shared.domain.citations import Page

_FENCE = re.compile(r"\A\s*(?P<ticks>`{3,})[ \t]*[\w+-]*[ \t]*\n(?P<inside>.*?)\n?(?P=ticks)\s*\Z", re.DOTALL)
_BLOCKS = "address article aside blockquote dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main "
_BLOCKS += "nav ol p pre section ul"
_TEXT = (
    "a abbr b bdi bdo br cite code del em i ins kbd mark q rp rt ruby s samp small span strong sub sup time u var wbr"
)
_TABLES = "caption col colgroup table tbody td tfoot th thead tr"
_TAGS = frozenset(f"{_BLOCKS} {_TEXT} {_TABLES}".split())
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
    found = _FENCE.match(text)
    return found["inside"] if found and found["ticks"] not in found["inside"] else text


def with_sources(text: str, pages: Sequence[Page]) -> str:
    """Markdown with the pages that it rests on listed at its end."""
    if not pages:
        return text
    listed = "\n".join(f"{number}. [{_plain(page.title)}](<{page.url}>)" for number, page in enumerate(pages, 1))
    return f"{text.rstrip()}\n\nSources:\n\n{listed}\n"


def _plain(title: str) -> str:
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", " ".join(title.split()))


def page(answer: str, title: str) -> str:
    """A page of its own that keeps the answer's layout (structure, tables, alignment) and nothing that acts."""
    import nh3

    fragment = unfenced(answer).strip()
    if not nh3.is_html(fragment):
        return _PAGE.format(title=html.escape(title), body=f"<pre>{html.escape(fragment)}</pre>")
    clean = nh3.clean(
        fragment,
        tags=_TAGS,
        clean_content_tags={"script", "style", "title"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        filter_style_properties=_STYLES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return _PAGE.format(title=html.escape(title), body=clean)
