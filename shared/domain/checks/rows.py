"""Compare the rows of a table in an answer with the lines of the pages that it was read from.

A row of the answer belongs to the line, or to the lines one below the other, that have its words and numbers. Among the
lines of each row, one tells rows apart by the order of its words and numbers, such as number, words, number, number.
Lines in the same order that no row has are missing rows.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from pydantic import JsonValue

from shared.domain.checks.numbers import NUMBER, readings, with_plain_digits

_MIN_SHARE = 0.75
"""Share of a row's words and numbers that its lines must have."""
_MIN_PLAIN_SHARE, _MIN_WEIGHT = 0.5, 0.6
"""The shares that are enough too: of all of them, and of all of them where the rare ones count for more. What a merged
cell says is common to many rows, and stands beside one of them only."""
_MIN_FOUND = 0.5
"""Share of the rows that must be found in the text; with fewer, the text does not tell how many there are."""
_MIN_ALIKE = 3
"""Rows that make the form of one of their lines the table's."""
_MAX_TRIED = 20
"""Lines that a row is compared with, of those that have one of its two rarest words and numbers."""
_MAX_LINES = 40
"""Lines of one row above and below the line that has its rarest word or number."""
_HEAD_LINES = 4
"""Lines at the end of a page and the beginning of the next that may stand within a row."""
_MAX_QUOTED = 3
_PIECE = re.compile(rf"{NUMBER.pattern}|[^\W\d_]+")
_SPACED = re.compile(r"(?<![\d.,])\d{1,3}(?:[ \xa0\u2009\u202f]\d{3})+(?:[.,]\d+)?(?!\d)")
"""A number with blanks between its thousands, or numbers of neighbouring cells that look like one."""


class MissingRow(NamedTuple):
    page: int
    """Counted from 1."""
    line: str


class RowCount(NamedTuple):
    """`on_pages` is None if the pages have no text that tells how many rows they hold."""

    on_pages: int | None
    answered: int
    missing: tuple[MissingRow, ...] = ()


class _Line(NamedTuple):
    page: int
    text: str
    pieces: list[str]
    """Its words in lower case and its numbers in one form: 1,250.00 is 1250."""

    @property
    def form(self) -> str:
        """Return the kinds of its words and numbers, such as 9a99: in their middle, and of many numbers at the end, how
        many there are does not matter.
        """
        kinds = ["9" if piece[0].isdigit() else "a" for piece in self.pieces]
        ending = len(kinds) - len("".join(kinds).rstrip("9"))
        head, tail = kinds[: len(kinds) - min(ending, 2)], "9" * min(ending, 2)
        return "".join(head[:1]) + ("a" if head[:1] == ["9"] and "a" in head else "") + tail


def rows_of(value: JsonValue, text: str = "") -> list[list[str]]:
    """Return the rows of a structured answer, or of the tables in a Markdown text, as the texts of their cells.

    The rows are the items of the longest list that is the answer itself or one of its fields.
    """
    if value is None:
        return _rows_of_text(text)
    lists = [value] if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    rows: list[JsonValue] = max((entry for entry in lists if isinstance(entry, list)), key=len, default=[])
    return [_cells(row) for row in rows]


def _rows_of_text(text: str) -> list[list[str]]:
    lines = [line.strip() for line in text.splitlines()]
    tables = [list(group) for is_table, group in groupby(lines, lambda line: line.startswith("|")) if is_table]
    rows: list[list[str]] = []
    for table in tables:
        has_head = len(table) > 1 and not re.search(r"[^|:\-\s]", table[1])
        rows += [line.strip("|").split("|") for line in (table[2:] if has_head else table)]
    return rows


def _cells(row: JsonValue) -> list[str]:
    if isinstance(row, dict):
        return [cell for inner in row.values() for cell in _cells(inner)]
    if isinstance(row, list):
        return [cell for inner in row for cell in _cells(inner)]
    return [] if row is None or isinstance(row, bool) else [str(row)]


def count_rows(pages: Sequence[str], rows: Sequence[Sequence[str]]) -> RowCount:
    """Count the rows against the texts of the pages. Takes time that grows with both: run it in a child process."""
    lines = [
        _Line(number, line.strip(), [options[0] for options in _pieces(line)])
        for number, text in enumerate(pages, 1)
        for line in text.splitlines()
        if line.strip()
    ]
    spans = list(_FreePieces(lines).spans_of(rows))
    if not rows or len(spans) < _MIN_FOUND * len(rows):
        return RowCount(None, len(rows))
    taken = {at for span in spans for at in span}
    marks = _marks_of_rows([[lines[at].form for at in span] for span in spans])
    missing: list[MissingRow] = []
    for at, line in enumerate(lines):
        above = marks.get(line.form)
        if above is not None and at not in taken:
            first = next((start + 1 for start in range(at - 1, at - above - 1, -1) if start in taken), at - above)
            row = lines[max(0, first) : at + 1]
            missing.append(MissingRow(row[0].page, " ".join(part.text for part in row)))
            taken.update(range(first, at + 1))
    return RowCount(len(spans) + len(missing), len(rows), tuple(missing))


class _FreePieces:
    """The words and numbers of lines that belong to no row yet."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._left = [Counter(_all_readings(line.text)) for line in lines]
        self._sizes = [len(line.pieces) for line in lines]
        self._pages = [line.page for line in lines]
        self._places: dict[str, list[int]] = defaultdict(list)
        for at, pieces in enumerate(self._left):
            for piece in pieces:
                self._places[piece].append(at)
        self._begins = dict.fromkeys(self._places, 0)

    def spans_of(self, rows: Iterable[Sequence[str]]) -> Iterator[range]:
        """Yield the lines of each row that is found: of those that fit best, the first."""
        for row in rows:
            wanted = Counter(self._known(options) for options in _pieces(" ".join(row)))
            span, shared = self._best_span(wanted)
            if self._is_row(shared, wanted):
                for at in span:
                    found = wanted & self._left[at]
                    self._left[at] -= found
                    wanted -= found
                yield span

    def _best_span(self, wanted: Counter[str]) -> tuple[range, Counter[str]]:
        """Return the lines that have most of what is wanted, with what they have of it."""
        best, shared = range(0), Counter[str]()
        for start in islice(self._starts(wanted), _MAX_TRIED):
            span, remaining = self._span_around(start, wanted)
            found = wanted - remaining
            if (found.total(), -len(span)) > (shared.total(), -len(best)):
                best, shared = span, found
            if not remaining and len(span) == 1:
                break
        return best, shared

    def _known(self, options: tuple[str, ...]) -> str:
        return next((piece for piece in options if piece in self._places), options[0])

    def _starts(self, wanted: Counter[str]) -> Iterator[int]:
        """Yield the lines that have one of the two rarest pieces left."""
        rare = sorted((piece for piece in wanted if piece in self._places), key=lambda piece: len(self._places[piece]))
        for piece in rare[:2]:
            places = self._places[piece]
            begin = self._begins[piece]
            while begin < len(places) and not self._left[places[begin]][piece]:
                begin += 1
            self._begins[piece] = begin
            yield from (places[at] for at in range(begin, len(places)) if self._left[places[at]][piece])

    def _span_around(self, start: int, wanted: Counter[str]) -> tuple[range, Counter[str]]:
        """Return the line, and its neighbours while most of what each has is wanted still; and what is not found."""
        remaining = wanted - self._left[start]
        ends = {1: start, -1: start}
        for step in ends:
            for at in self._beside(start, step) if remaining else ():
                found = remaining & self._left[at]
                if 2 * found.total() > self._sizes[at]:
                    remaining -= found
                    ends[step] = at
                elif not remaining or not self._near_edge(ends[step], at):
                    break
        return range(ends[-1], ends[1] + 1), remaining

    def _beside(self, start: int, step: int) -> range:
        furthest = min(max(start + step * _MAX_LINES, -1), len(self._left))
        return range(start + step, furthest, step)

    def _near_edge(self, last: int, at: int) -> bool:
        """Whether a line that is not the row's, after the row's `last` one, may be the head or foot of a page."""
        near = range(min(last, at) - _HEAD_LINES, max(last, at) + _HEAD_LINES + 1)
        pages = {self._pages[line] for line in near if 0 <= line < len(self._pages)}
        return abs(at - last) <= _HEAD_LINES and len(pages) > 1

    def _is_row(self, shared: Counter[str], wanted: Counter[str]) -> bool:
        share = shared.total() / max(1, wanted.total())
        return share >= _MIN_SHARE or (
            share >= _MIN_PLAIN_SHARE and self._weight(shared) >= _MIN_WEIGHT * self._weight(wanted)
        )

    def _weight(self, pieces: Counter[str]) -> float:
        return sum(count / max(1, len(self._places.get(piece, ()))) for piece, count in pieces.items())


def _pieces(text: str) -> list[tuple[str, ...]]:
    """Return the words in lower case, and of each number what it may mean, the likelier first."""
    found = _PIECE.findall(with_plain_digits(text))
    return [readings(piece) if piece[0].isdigit() else (piece.casefold(),) for piece in found]


def _all_readings(text: str) -> list[str]:
    spaced = (re.sub(r"\s", "", match) for match in _SPACED.findall(with_plain_digits(text)))
    options = [*_pieces(text), *(readings(number) for number in spaced)]
    return [piece for several in options for piece in several]


def _marks_of_rows(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the forms of lines by which rows are told apart, and how many lines of a row stand above such a line.

    `rows` has the forms of each row's lines. Each row has one line of these forms, as far as that can be.
    """
    open_rows = list(rows)
    covered: list[Sequence[str]] = []
    marks: dict[str, int] = {}
    counts = Counter(form for row in rows for form in set(row) if len(form) > 1)
    for form in sorted(counts, key=lambda form: (-form.count("9"), -len(form), -counts[form])):
        marked = [row for row in open_rows if row.count(form) == 1]
        if len(marked) < min(_MIN_ALIKE, len(rows)) or sum(form in row for row in covered) > len(marked):
            continue
        marks[form] = Counter(row.index(form) for row in marked).most_common(1)[0][0]
        covered += marked
        open_rows = [row for row in open_rows if row.count(form) != 1]
    return marks


def warnings_of_rows(counted: RowCount) -> list[str]:
    """Return a warning that names the missing rows and their pages, or says that rows could not be counted."""
    if counted.on_pages is None:
        return [f"The {counted.answered:,} rows were not counted: the file has no text that tells how many it holds."]
    if not counted.missing:
        return []
    pages = sorted({row.page for row in counted.missing})
    quoted = ", ".join(f"“{row.line[:60]}”" for row in counted.missing[:_MAX_QUOTED])
    more = "" if len(counted.missing) <= _MAX_QUOTED else " and others"
    return [
        f"Rows are missing: {len(counted.missing):,} of the {counted.on_pages:,} that the file holds, on "
        f"{named_pages(pages)}: {quoted}{more}."
    ]


def named_pages(pages: Iterable[int]) -> str:
    """Return the pages in words: `pages 3, 7 to 12`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][1] + 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    named = [f"{first}" if first == last else f"{first} to {last}" for first, last in runs]
    return f"{'page' if len(runs) == 1 and runs[0][0] == runs[0][1] else 'pages'} {', '.join(named)}"
