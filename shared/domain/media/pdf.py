"""PDF (ISO 32000): how many pages, is it locked, is its end there?

A whole PDF names its page count at the top of its page tree, which the table at its end leads to: three or four small
reads. Where the table is damaged, the file is searched for pages, as PDF readers do.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from shared.domain.media.facts import Facts
from shared.domain.media.reading import MAX_READ, DamagedError, OutOfReadsError, Window

_TAIL = 64 * 1024
_OBJECT = 16 * 1024
"""Bytes looked at of an object: catalogues and page tree roots list their children, but begin with or end in /Count."""
_MOST_TABLES = 64
_MOST_ENTRIES = 1_000_000
_MOST_UNPACKED = 16 * 1024 * 1024
_OVERLAP = 64

_START = re.compile(rb"startxref\s+(\d{1,12})")
_REFERENCE = rb"\s*(\d{1,9})\s+(\d{1,5})\s+R"
_LEAF = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,9})")


@dataclass
class _Table:
    """Where objects are: an offset, or the number of the object stream that holds it."""

    offsets: dict[int, int] = field(default_factory=dict)
    packed: dict[int, int] = field(default_factory=dict)
    root: int | None = None
    encrypted: bool = False


class _UnreadableError(Exception):
    """The table at the end does not lead to the pages."""


def probe_pdf(window: Window, facts: Facts) -> Facts:
    """Facts of a PDF; locked ones are a problem even when a password would be the empty one."""
    tail = window.tail(_TAIL)
    if b"%%EOF" not in tail and not tail.rstrip(b"\0 \t\r\n").endswith(b"%%EO"):
        raise DamagedError("The PDF is truncated: its end (%%EOF) is missing. Upload it again.")
    starts = _START.findall(tail)
    shift = max(0, window.at(0, 1032).find(b"%PDF-"))
    pages, table = None, _Table()
    if starts:
        try:
            table = _read_tables(window, int(starts[-1]), shift)
            if not table.encrypted:
                pages = _count(window, table)
        except _UnreadableError:
            pages = None
    if table.encrypted:
        return _locked(facts)
    if pages is None:
        return _searched(window, facts)
    if pages == 0:
        raise DamagedError("The PDF has no pages.")
    return facts.model_copy(update={"pages": pages})


def _locked(facts: Facts) -> Facts:
    problem = "The PDF is encrypted. Save it without a password and upload it again."
    return facts.model_copy(update={"encrypted": True, "problem": problem})


def _read_tables(window: Window, at: int, shift: int) -> _Table:
    """The cross-reference tables, newest first: what a newer one says stands."""
    table, seen, queue = _Table(), set[int](), [at]
    while queue and len(seen) < _MOST_TABLES:
        at = queue.pop(0)
        if at in seen:
            continue
        seen.add(at)
        where = at + shift
        start = window.at(where, 32).lstrip()
        if start.startswith(b"xref"):
            trailer = _classic(window, where, table, shift)
        elif re.match(rb"\d+\s+\d+\s+obj", start):
            trailer = _stream(window, where, table, shift)
        else:
            raise _UnreadableError
        if re.search(rb"/Encrypt[\s<]", trailer):
            table.encrypted = True
        root = re.search(rb"/Root" + _REFERENCE, trailer)
        if root and table.root is None:
            table.root = int(root[1])
        queue += [int(each) for each in re.findall(rb"/(?:XRefStm|Prev)\s+(\d{1,12})", trailer)]
    return table


def _classic(window: Window, at: int, table: _Table, shift: int) -> bytes:
    """Read a table of fixed lines; the trailer behind it."""
    at = at + window.at(at, 32).index(b"xref") + 4
    for _ in range(1024):
        head = window.at(at, 64)
        section = re.match(rb"\s*(\d{1,10})\s+(\d{1,10})\s*?(?:\r\n|\n|\r| )", head)
        if section is None:
            found = re.match(rb"\s*trailer", head)
            if found is None:
                raise _UnreadableError
            return _dictionary(window.at(at + found.end(), _OBJECT))
        first, count = int(section[1]), int(section[2])
        at += section.end()
        _lines(window, at, first, min(count, _MOST_ENTRIES), table, shift)
        at += 20 * count
    raise _UnreadableError


def _lines(window: Window, at: int, first: int, count: int, table: _Table, shift: int) -> None:
    step = MAX_READ // 20
    for done in range(0, count, step):
        lines = window.at(at + 20 * done, 20 * min(step, count - done))
        for line in range(len(lines) // 20):
            entry = lines[20 * line : 20 * line + 20]
            if entry[17:18] == b"n" and entry[:10].isdigit():
                table.offsets.setdefault(first + done + line, int(entry[:10]) + shift)


def _stream(window: Window, at: int, table: _Table, shift: int) -> bytes:
    """Read a table that is a compressed stream (PDF 1.5); its dictionary is the trailer."""
    dictionary, rows = _unpacked(window, at)
    widths = re.search(rb"/W\s*\[\s*(\d)\s+(\d)\s+(\d)\s*\]", dictionary)
    size = re.search(rb"/Size\s+(\d{1,9})", dictionary)
    if widths is None or size is None:
        raise _UnreadableError
    kind_width, second_width, third_width = (int(each) for each in widths.groups())
    width = kind_width + second_width + third_width
    index = re.search(rb"/Index\s*\[([\d\s]*)\]", dictionary)
    numbers = [int(each) for each in index[1].split()] if index else [0, int(size[1])]
    row = 0
    for first, count in zip(numbers[::2], numbers[1::2], strict=False):
        for number in range(first, first + min(count, _MOST_ENTRIES)):
            entry = rows[row * width : (row + 1) * width]
            row += 1
            if width == 0 or len(entry) < width:
                return dictionary
            kind = int.from_bytes(entry[:kind_width], "big") if kind_width else 1
            value = int.from_bytes(entry[kind_width : kind_width + second_width], "big")
            known = number in table.offsets or number in table.packed
            if kind == 1 and not known:
                table.offsets[number] = value + shift
            elif kind == 2 and not known:
                table.packed[number] = value
    return dictionary


def _unpacked(window: Window, at: int) -> tuple[bytes, bytes]:
    """Dictionary and decompressed content of the stream object at `at`."""
    raw = window.at(at, _OBJECT)
    opening = raw.find(b"stream")
    if opening < 0:
        raise _UnreadableError
    dictionary = raw[:opening]
    start = at + opening + 6 + (2 if raw[opening + 6 : opening + 8] == b"\r\n" else 1)
    length = re.search(rb"/Length\s+(\d{1,10})(?!\s+\d+\s+R)", dictionary)
    data = window.at(start, int(length[1]) if length else MAX_READ)
    if b"/FlateDecode" in dictionary or b"/Fl " in dictionary:
        try:
            data = zlib.decompressobj().decompress(data, _MOST_UNPACKED)
        except zlib.error as error:
            raise _UnreadableError from error
    elif b"/Filter" in dictionary:
        raise _UnreadableError
    predictor = re.search(rb"/Predictor\s+(\d{1,2})", dictionary)
    if predictor and int(predictor[1]) >= 10:
        columns = re.search(rb"/Columns\s+(\d{1,4})", dictionary)
        data = _without_predictor(data, int(columns[1]) if columns else 1)
    return dictionary, data


def _without_predictor(data: bytes, columns: int) -> bytes:
    """Undo PNG's row filters None and Up, the ones that writers of PDF tables use."""
    out, above = bytearray(), bytes(columns)
    for at in range(0, len(data) - columns, columns + 1):
        row = data[at + 1 : at + 1 + columns]
        if data[at] == 2:
            row = bytes((value + up) & 0xFF for value, up in zip(row, above, strict=True))
        elif data[at] != 0:
            raise _UnreadableError
        out += row
        above = row
    return bytes(out)


def _count(window: Window, table: _Table) -> int:
    if table.root is None:
        raise _UnreadableError
    tree = re.search(rb"/Pages" + _REFERENCE, _object(window, table, table.root))
    if tree is None:
        raise _UnreadableError
    found = _COUNT.search(_object(window, table, int(tree[1])))
    if found is None:
        raise _UnreadableError
    return int(found[1])


def _object(window: Window, table: _Table, number: int) -> bytes:
    """The text of an object's dictionary."""
    if number in table.offsets:
        at = table.offsets[number]
        head = window.at(at, _OBJECT)
        match = re.match(rb"\s*(\d+)\s+\d+\s+obj", head)
        if match is None or int(match[1]) != number:
            raise _UnreadableError
        if b"endobj" not in head and len(head) == _OBJECT:
            head = window.at(at, MAX_READ)
        return head[match.end() :].partition(b"endobj")[0]
    if number in table.packed and table.packed[number] in table.offsets:
        return _from_object_stream(window, table.offsets[table.packed[number]], number)
    raise _UnreadableError


def _from_object_stream(window: Window, at: int, number: int) -> bytes:
    dictionary, content = _unpacked(window, at)
    first = re.search(rb"/First\s+(\d{1,9})", dictionary)
    if first is None:
        raise _UnreadableError
    start = int(first[1])
    numbers = [int(each) for each in content[:start].split() if each.isdigit()]
    places = dict(zip(numbers[::2], numbers[1::2], strict=False))
    if number not in places:
        raise _UnreadableError
    later = [place for place in places.values() if place > places[number]]
    return content[start + places[number] : start + min(later) if later else len(content)]


def _dictionary(data: bytes) -> bytes:
    """From the start of a dictionary to where the file says that the trailer is over."""
    return data.partition(b"startxref")[0]


def _searched(window: Window, facts: Facts) -> Facts:
    """Count what looks like pages in the whole file, where the table does not lead to them."""
    leaves, counts, locked, objects = 0, 0, False, False
    try:
        for at in range(0, window.size, MAX_READ - _OVERLAP):
            data = window.at(at, MAX_READ)
            fresh = data if at == 0 else data[_OVERLAP:]
            leaves += len(_LEAF.findall(data)) - (len(_LEAF.findall(data[:_OVERLAP])) if at else 0)
            counts = max([counts, *(int(each) for each in _COUNT.findall(data))])
            locked = locked or b"/Encrypt" in fresh
            objects = objects or b"/ObjStm" in fresh
    except OutOfReadsError:
        pass
    if locked:
        return _locked(facts)
    pages = leaves or counts
    if pages == 0 and not objects:
        raise DamagedError("The PDF has no pages that can be found: it is empty, truncated or damaged.")
    note = "The PDF's table of contents is damaged; some pages may be missing."
    return facts.model_copy(update={"pages": pages or None, "warnings": (*facts.warnings, note)})
