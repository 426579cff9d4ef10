"""Read from an answer which documents a bundle holds: their types, titles and pages."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.answer.response import Json

_MAX_DOCUMENTS = 200
"""Documents that are cut out of one file."""
_MAX_COPIES = 2
"""How often all pages of a file may be cut out of it: documents may share pages, but each cut is made and kept."""
_LONGEST_NAME = 60
"""Bytes."""


class BundledDocument(NamedTuple):
    """One document of a bundle; its pages are counted from 1."""

    first: int
    last: int
    ending: str
    """What is appended to the source's name: `02-invoice.pdf`."""


class Bundle(NamedTuple):
    documents: tuple[BundledDocument, ...]
    warnings: tuple[str, ...]


def read_bundle(value: JsonValue, pages: int) -> Bundle:
    """Return the documents that an answer lists, with `first_page`, `last_page` and `type` or `title` of each.

    Entries whose pages the file does not have are left out, with a warning. So is what comes after the 200th, and a
    document with which the pages of all would be more than twice those of the file.
    """
    documents: list[BundledDocument] = []
    warnings: list[str] = []
    entries = _entries(value)
    left = _MAX_COPIES * pages
    for number, entry in enumerate(entries[:_MAX_DOCUMENTS], 1):
        first, last = _number(entry.get("first_page")), _number(entry.get("last_page"))
        if first is None or last is None or not 1 <= first <= last <= pages:
            named = f"{entry.get('first_page')} to {entry.get('last_page')}"[:40]
            warnings.append(f"Document {number} was not cut out: the file has no pages {named}.")
            continue
        if last - first + 1 > left:
            warnings.append(f"Document {number} was not cut out: too many documents have the same pages.")
            continue
        left -= last - first + 1
        documents.append(BundledDocument(first, last, f"{number:02}-{_slug(entry)}.pdf"))
    if len(entries) > _MAX_DOCUMENTS:
        warnings.append(f"Of {len(entries):,} documents, the first {_MAX_DOCUMENTS} were cut out.")
    return Bundle(tuple(documents), (*warnings, *_gaps(documents, pages)))


def _entries(value: JsonValue) -> list[Json]:
    lists = [value] if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    rows = next((rows for rows in lists if isinstance(rows, list)), [])
    return [row for row in rows if isinstance(row, dict)]


def _number(value: JsonValue) -> int | None:
    return (
        int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value) else None
    )


def _slug(entry: Json) -> str:
    """Return the document's type, else its title, as it may stand in the name of an object."""
    named = next((text for name in ("type", "title") if isinstance(text := entry.get(name), str) and text.strip()), "")
    plain = unicodedata.normalize("NFKC", named).casefold()
    slug = re.sub(r"[^\w]+", "-", plain).encode("utf-8", "ignore")[:_LONGEST_NAME].decode(errors="ignore")
    return slug.strip("-_") or "document"


def _gaps(documents: list[BundledDocument], pages: int) -> list[str]:
    times = [0] * (pages + 1)
    for document in documents:
        for page in range(document.first, document.last + 1):
            times[page] += 1
    warnings = []
    if documents and (free := [page for page in range(1, pages + 1) if not times[page]]):
        warnings.append(f"Pages that belong to no document: {_listed(free)}.")
    if several := [page for page in range(1, pages + 1) if times[page] > 1]:
        warnings.append(f"Pages that belong to several documents: {_listed(several)}.")
    return warnings


def _listed(pages: list[int]) -> str:
    more = f" and {len(pages) - 20} more" if len(pages) > 20 else ""
    return ", ".join(map(str, pages[:20])) + more
