"""PDF (ISO 32000): how many pages, is it locked, is its end there?

A whole PDF names its page count at the top of its page tree, which the table at its end leads to: three or four small
reads. Where the table is damaged, the file is searched for pages, as PDF readers do.
"""

from __future__ import annotations

import re

from shared.domain.media.facts import Facts
from shared.domain.media.pdf_lock import file_id, opens_freely
from shared.domain.media.pdf_objects import REFERENCE, Table, UnreadableError, read_object, read_tables
from shared.domain.media.reading import MAX_READ, DamagedError, OutOfReadsError, Window

_TAIL = 64 * 1024
_OVERLAP = 64

_START = re.compile(rb"startxref\s+(\d{1,12})")
_LEAF = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,9})(?!\d|\s+\d+\s+R)")
_LOCK = re.compile(rb"/Encrypt(?:%s|\s*(?=<<))" % REFERENCE)


def probe_pdf(window: Window, facts: Facts) -> Facts:
    """Facts of a PDF. One that needs a password to be read is a problem; one that only forbids printing is none."""
    tail = window.tail(_TAIL)
    _must_end(window, tail)
    starts = _START.findall(tail)
    shift = max(0, window.at(0, 1032).find(b"%PDF-"))
    pages: int | None = None
    locked = False
    try:
        if starts:
            table = read_tables(window, int(starts[-1]), shift)
            locked = _LOCK.search(table.trailers) is not None
            if locked and not _opens(window, table):
                return _refused(facts)
            pages = _count(window, table)
    except UnreadableError:
        pages = None
    if pages is None and not locked:
        return _searched(window, facts)
    if pages == 0:
        raise DamagedError("The PDF has no pages.")
    return facts.model_copy(update={"pages": pages, "encrypted": locked})


def _must_end(window: Window, tail: bytes) -> None:
    last = tail.rfind(b"%%EOF")
    linearized = re.search(rb"/Linearized\b[^>]*?/L\s+(\d{1,12})", window.at(0, 2048))
    cut = linearized is not None and int(linearized[1]) > window.size
    if last < 0 or cut or re.search(rb"\s\d+\s+\d+\s+obj\b", tail[last:]):
        raise DamagedError("The PDF is truncated: its end (%%EOF) is missing. Upload it again.")


def _opens(window: Window, table: Table) -> bool:
    found = _LOCK.search(table.trailers)
    if found is None:
        return True
    inline = table.trailers[found.end() :]
    lock = inline if found[1] is None else read_object(window, table, int(found[1]))
    return opens_freely(lock, file_id(table.trailers))


def _refused(facts: Facts) -> Facts:
    problem = "The PDF is encrypted. Save it without a password and upload it again."
    return facts.model_copy(update={"encrypted": True, "problem": problem})


def _count(window: Window, table: Table) -> int:
    if table.root is None:
        raise UnreadableError
    tree = re.search(rb"/Pages" + REFERENCE, read_object(window, table, table.root))
    if tree is None:
        raise UnreadableError
    found = _COUNT.search(read_object(window, table, int(tree[1])))
    if found is None:
        raise UnreadableError
    return int(found[1])


def _searched(window: Window, facts: Facts) -> Facts:
    """Count what looks like pages in the whole file, where the table does not lead to them."""
    leaves, counts, locked, objects, whole = 0, 0, False, False, False
    try:
        for at in range(0, window.size, MAX_READ - _OVERLAP):
            data = window.at(at, MAX_READ)
            fresh = data if at == 0 else data[_OVERLAP:]
            leaves += len(_LEAF.findall(data)) - (len(_LEAF.findall(data[:_OVERLAP])) if at else 0)
            counts = max([counts, *(int(each) for each in _COUNT.findall(data))])
            locked = locked or b"/Encrypt" in fresh
            objects = objects or b"/ObjStm" in fresh
        whole = True
    except OutOfReadsError:
        pass
    if locked:
        return _refused(facts)
    pages = leaves or counts
    if pages == 0 and not objects and whole:
        raise DamagedError("The PDF has no pages that can be found: it is empty, truncated or damaged.")
    note = "The PDF's table of contents is damaged; some pages may be missing."
    return facts.model_copy(update={"pages": pages or None, "warnings": (*facts.warnings, note)})
