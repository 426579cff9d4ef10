"""The values of charts, as tables."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from shared.extractor_child.document import Document
from shared.extractor_child.ooxml import A, C


def add_chart(root: Element, document: Document) -> None:
    """Add a chart's title and the table of its values."""
    title = title_of(root)
    document.add(f"**Chart{': ' + title if title else ''}**")
    series = list(root.iter(f"{C}ser"))
    names = [next(iter(_points(one, "tx")), f"series {number}") for number, one in enumerate(series, 1)]
    labels = max((_points(one, "cat") or _points(one, "xVal") for one in series), key=len, default=[])
    values = [_points(one, "val") or _points(one, "yVal") for one in series]
    count = max((len(column) for column in [labels, *values]), default=0)
    rows = [[column[at] if at < len(column) else "" for column in [labels, *values]] for at in range(count)]
    document.add_table([["", *names], *rows] if rows else [])


def title_of(root: Element) -> str:
    titles = ("".join(text.text or "" for text in title.iter(f"{A}t")) for title in root.findall(f"{C}chart/{C}title"))
    return " ".join(titles)


def _points(series: Element, what: str) -> list[str]:
    return [value.text or "" for part in series.findall(f"{C}{what}") for value in part.iter(f"{C}v")]
