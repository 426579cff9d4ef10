"""Where are the objects of a PDF? By the tables at its end (ISO 32000, 7.5), classic or compressed."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from shared.domain.media.reading import MAX_READ, Window

REFERENCE = rb"\s*(\d{1,9})\s+(\d{1,5})\s+R"

_OBJECT = 16 * 1024
"""Bytes looked at of an object at first."""
_MOST_TABLES = 64
_MOST_ENTRIES = 1_000_000
_MOST_UNPACKED = 16 * 1024 * 1024


@dataclass
class Table:
    """Where objects are: an offset, or the number of the object stream that holds it."""

    offsets: dict[int, int] = field(default_factory=dict)
    packed: dict[int, int] = field(default_factory=dict)
    root: int | None = None
    trailers: bytes = b""
    """The dictionaries of all tables, newest first."""


class UnreadableError(Exception):
    """The table at the end does not lead to the pages."""


def read_tables(window: Window, at: int, shift: int) -> Table:
    """The cross-reference tables, newest first: what a newer one says stands."""
    table, seen, queue = Table(), set[int](), [at]
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
            raise UnreadableError
        table.trailers += trailer
        root = re.search(rb"/Root" + REFERENCE, trailer)
        if root and table.root is None:
            table.root = int(root[1])
        queue += [int(each) for each in re.findall(rb"/(?:XRefStm|Prev)\s+(\d{1,12})", trailer)]
    return table


def _classic(window: Window, at: int, table: Table, shift: int) -> bytes:
    """Read a table of fixed lines; the trailer behind it."""
    at = at + window.at(at, 32).index(b"xref") + 4
    for _ in range(1024):
        head = window.at(at, 64)
        section = re.match(rb"\s*(\d{1,10})\s+(\d{1,10})\s*?(?:\r\n|\n|\r| )", head)
        if section is None:
            found = re.match(rb"\s*trailer", head)
            if found is None:
                raise UnreadableError
            return _dictionary(window.at(at + found.end(), _OBJECT))
        first, count = int(section[1]), int(section[2])
        at += section.end()
        _lines(window, at, first, min(count, _MOST_ENTRIES), table, shift)
        at += 20 * count
    raise UnreadableError


def _lines(window: Window, at: int, first: int, count: int, table: Table, shift: int) -> None:
    step = MAX_READ // 20
    for done in range(0, count, step):
        lines = window.at(at + 20 * done, 20 * min(step, count - done))
        for line in range(len(lines) // 20):
            entry = lines[20 * line : 20 * line + 20]
            if entry[17:18] == b"n" and entry[:10].isdigit():
                table.offsets.setdefault(first + done + line, int(entry[:10]) + shift)


def _stream(window: Window, at: int, table: Table, shift: int) -> bytes:
    """Read a table that is a compressed stream (PDF 1.5); its dictionary is the trailer."""
    dictionary, rows = _unpacked(window, at)
    widths = re.search(rb"/W\s*\[\s*(\d)\s+(\d)\s+(\d)\s*\]", dictionary)
    size = re.search(rb"/Size\s+(\d{1,9})", dictionary)
    if widths is None or size is None:
        raise UnreadableError
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
        raise UnreadableError
    dictionary = raw[:opening]
    start = at + opening + 6 + (2 if raw[opening + 6 : opening + 8] == b"\r\n" else 1)
    length = re.search(rb"/Length\s+(\d{1,10})(?!\s+\d+\s+R)", dictionary)
    data = window.at(start, int(length[1]) if length else MAX_READ)
    if b"/FlateDecode" in dictionary or b"/Fl " in dictionary:
        try:
            data = zlib.decompressobj().decompress(data, _MOST_UNPACKED)
        except zlib.error as error:
            raise UnreadableError from error
    elif b"/Filter" in dictionary:
        raise UnreadableError
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
            raise UnreadableError
        out += row
        above = row
    return bytes(out)


def read_object(window: Window, table: Table, number: int) -> bytes:
    """The text of an object's dictionary."""
    if number in table.offsets:
        at = table.offsets[number]
        head = window.at(at, _OBJECT)
        match = re.match(rb"\s*(\d+)\s+\d+\s+obj", head)
        if match is None or int(match[1]) != number:
            raise UnreadableError
        if b"endobj" not in head and len(head) == _OBJECT:
            head = window.at(at, MAX_READ)
        return head[match.end() :].partition(b"endobj")[0]
    if number in table.packed and table.packed[number] in table.offsets:
        return _from_object_stream(window, table.offsets[table.packed[number]], number)
    raise UnreadableError


def _from_object_stream(window: Window, at: int, number: int) -> bytes:
    dictionary, content = _unpacked(window, at)
    first = re.search(rb"/First\s+(\d{1,9})", dictionary)
    if first is None:
        raise UnreadableError
    start = int(first[1])
    numbers = [int(each) for each in content[:start].split() if each.isdigit()]
    places = dict(zip(numbers[::2], numbers[1::2], strict=False))
    if number not in places:
        raise UnreadableError
    later = [place for place in places.values() if place > places[number]]
    return content[start + places[number] : start + min(later) if later else len(content)]


def _dictionary(data: bytes) -> bytes:
    """From the start of a dictionary to where the file says that the trailer is over."""
    return data.partition(b"startxref")[0]
