"""Compare the rows of a table in an answer with the lines of the pages that it was read from.

A row of the answer belongs to the line that has its words and numbers. The lines that look like those and have no row
are missing: they have words and numbers in the same order of kinds, such as number, words, number, number.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from pydantic import JsonValue

_MIN_OVERLAP_SHARE = 0.75
"""Share of a row's words and numbers that its line must have."""
_MIN_MATCHED_SHARE = 0.5
"""Share of the rows that must be found in the text; with fewer, the text does not tell how many there are."""
_MIN_ROWS_OF_SHAPE = 3
"""How many lines of one shape must have rows for that shape to count as the table's."""
_MAX_CANDIDATES = 100
"""Lines that a row is compared with for each of its two rarest words and numbers."""
_MAX_QUOTED = 3
_TOKEN = re.compile(r"[^\W_]+(?:[.,'’:/-][^\W_]+)*")
_NUMBER = re.compile(r"\d[\d.,'’]*")


class MissingRow(NamedTuple):
    page: int
    """Counted from 1."""
    line: str


class RowCount(NamedTuple):
    """`on_pages` is None if the pages have no text that tells how many rows they hold."""

    on_pages: int | None
    answered: int
    missing: tuple[MissingRow, ...] = ()


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
        (number, line, _tokens(line))
        for number, text in enumerate(pages, 1)
        for line in text.splitlines()
        if line.strip()
    ]
    matched = _lines_of_rows([_tokens(" ".join(row)) for row in rows], [tokens for _, _, tokens in lines])
    if not rows or len(matched) < _MIN_MATCHED_SHARE * len(rows):
        return RowCount(None, len(rows))
    shapes = Counter(_shape(lines[at][2]) for at in matched)
    table_shapes = {
        shape for shape, count in shapes.items() if len(shape) > 1 and count >= min(_MIN_ROWS_OF_SHAPE, len(matched))
    }
    missing = tuple(
        MissingRow(number, line.strip())
        for at, (number, line, tokens) in enumerate(lines)
        if at not in matched and _shape(tokens) in table_shapes
    )
    return RowCount(len(matched) + len(missing), len(rows), missing)


def _lines_of_rows(rows: list[list[str]], lines: list[list[str]]) -> set[int]:
    """Return the lines that match a row. Each line matches one row: the best free line, and of equals the first."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, tokens in enumerate(lines):
        for token in set(tokens):
            places[token].append(at)
    matched: set[int] = set()
    for row in rows:
        wanted = Counter(row)
        rare = sorted((places[token] for token in wanted if token in places), key=len)[:2]
        free = (islice((at for at in candidates if at not in matched), _MAX_CANDIDATES) for candidates in rare)
        best = max(((_overlap(wanted, lines[at]), -at) for candidates in free for at in candidates), default=None)
        if best is not None and best[0] >= _MIN_OVERLAP_SHARE * len(row):
            matched.add(-best[1])
    return matched


def _overlap(wanted: Counter[str], tokens: list[str]) -> int:
    return (wanted & Counter(tokens)).total()


def _tokens(text: str) -> list[str]:
    """Return words in lower case and numbers in one form: 1,250.00 is 1250."""
    return [_normalise(token) for token in _TOKEN.findall(text)]


def _normalise(token: str) -> str:
    if not _NUMBER.fullmatch(token):
        return token.casefold()
    digits = re.sub(r"[^\d.]", "", re.sub(r",(?=\d{1,2}$)", ".", token))
    whole, _, rest = digits.rpartition(".") if "." in digits else (digits, "", "")
    fraction = rest.rstrip("0")
    digits_before_point = whole.replace(".", "").lstrip("0") or "0"
    return f"{digits_before_point}.{fraction}" if fraction else digits_before_point


def _shape(tokens: list[str]) -> str:
    """Return the kinds of a line's words and numbers in their order; words in a row count as one."""
    kinds = ("9" if token[0].isdigit() else "a" for token in tokens)
    return "".join("a" if kind == "a" else kind * len(list(group)) for kind, group in groupby(kinds))


def warnings_of_rows(counted: RowCount) -> list[str]:
    """Return a warning that names the missing rows and their pages, or says that rows could not be counted."""
    if counted.on_pages is None:
        return [f"The {counted.answered:,} rows were not counted: the file has no text that tells how many it holds."]
    if not counted.missing:
        return []
    pages = Counter(row.page for row in counted.missing)
    quoted = ", ".join(f"“{row.line[:60]}”" for row in counted.missing[:_MAX_QUOTED])
    more = "" if len(counted.missing) <= _MAX_QUOTED else " and others"
    return [
        f"Rows are missing: {len(counted.missing):,} of the {counted.on_pages:,} that the file holds, on "
        f"{named_pages(sorted(pages))}: {quoted}{more}."
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
