"""Convert the HTML of documents and mails to Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bs4 import BeautifulSoup
from bs4.element import Tag
from markdownify import MarkdownConverter

_NOT_READ = ["script", "style", "head", "template", "noscript", "svg"]
_MAX_DEPTH = 300

Show = Callable[[str, str], str]
"""Returns the mark for a picture, by its address and its title."""


class _Converter(MarkdownConverter):  # type: ignore[misc,unused-ignore]
    def __init__(self, show: Show, **options: Any) -> None:
        super().__init__(**options)
        self._show = show

    def convert_img(self, element: Tag, text: str, parent_tags: object) -> str:
        source, title = element.get("src"), element.get("alt") or element.get("title")
        return self._show(str(source or ""), str(title or ""))

    def convert_td(self, element: Tag, text: str, parent_tags: object) -> str:
        return str(super().convert_td(element, text.replace("|", "\\|"), parent_tags))  # type: ignore[misc]

    def convert_th(self, element: Tag, text: str, parent_tags: object) -> str:
        return str(super().convert_th(element, text.replace("|", "\\|"), parent_tags))  # type: ignore[misc]


def to_markdown(html: str, show: Show = lambda _, title: f"[Picture: {title}]" if title else "") -> str:
    """Return the visible text of a page as Markdown."""
    soup = BeautifulSoup(html, "html.parser")
    for element in soup.find_all(_NOT_READ):
        element.decompose()
    for formula in soup.find_all("math"):
        formula.replace_with(_formula(formula))
    if _depth(soup) > _MAX_DEPTH:
        return soup.get_text("\n")
    converter = _Converter(
        show, heading_style="ATX", escape_misc=False, escape_underscores=False, table_infer_header=True
    )
    return str(converter.convert_soup(soup))


def _formula(math: Tag) -> str:
    """Return a formula as text: its TeX if the page has it, otherwise its symbols in order."""
    noted = math.find("annotation")
    written = math.get("alttext") or (noted.get_text() if noted is not None else math.get_text(" "))
    return " ".join(str(written).split())


def _depth(soup: Tag) -> int:
    """Return how deeply the elements are nested, without recursion."""
    deepest, level = 0, [soup]
    while level and deepest <= _MAX_DEPTH:
        level = [child for element in level for child in element.children if isinstance(child, Tag)]
        deepest += 1
    return deepest
