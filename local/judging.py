"""Compare an answer with the one that was expected: JSON by fields, text by words, tables by cells.

A score is the share that is right. JSON and tables are compared twice: exactly, and tolerantly, where numbers that are
equal to six digits and texts that differ only in case, width or white space count as right.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Kind = Literal["json", "txt", "csv"]
Value = object

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_DIFFERENCES_SHOWN = 20
_NUMBER_TOLERANCE = 1e-6


class Score(NamedTuple):
    """How much of what was expected is right."""

    right: int
    tolerated: int
    """Right if compared tolerantly; at least `right`."""
    total: int
    """Fields, words or cells: those that were expected and those that should not be there."""
    differences: tuple[str, ...] = ()
    """The first few, as sentences."""

    @property
    def share(self) -> float:
        """The share that is right, compared tolerantly: 0 to 1. Nothing expected and nothing answered is all right."""
        return self.tolerated / self.total if self.total else 1.0

    @property
    def exact_share(self) -> float:
        return self.right / self.total if self.total else 1.0


def compare(kind: Kind, expected: str, answer: str) -> Score:
    """Compare the answer's text with the expected file's. Raises ValueError if the expected file cannot be read."""
    match kind:
        case "json":
            return compare_json(_parse(expected), _parse_or_text(answer))
        case "csv":
            return compare_tables(_rows(expected), _rows_of_answer(answer))
        case "txt":
            return compare_words(expected, answer)


def compare_json(expected: Value, answer: Value) -> Score:
    """Compare leaf by leaf. A leaf that is missing or should not be there is wrong."""
    return _compare_leaves(dict(_leaves(expected)), dict(_leaves(answer)))


def compare_tables(expected: list[dict[str, str]], answer: list[dict[str, str]]) -> Score:
    """Compare cell by cell: rows by their order, columns by their names."""
    return _compare_leaves(_cells(expected), _cells(answer))


def compare_words(expected: str, answer: str) -> Score:
    """Compare the words without punctuation and case. `1 - share` is the word error rate, at most 1."""
    wanted, got = _words(expected), _words(answer)
    total, errors = len(wanted), Levenshtein.distance(wanted, got)
    right = max(0, total - errors)
    differences = tuple(
        f"{_phrase(wanted[step.src_start : step.src_end])} → {_phrase(got[step.dest_start : step.dest_end])}"
        for step in Levenshtein.opcodes(wanted, got)
        if step.tag != "equal"
    )
    return Score(right, right, total or len(got), differences[:_DIFFERENCES_SHOWN])


def _compare_leaves(expected: Mapping[str, Value], answer: Mapping[str, Value]) -> Score:
    right = tolerated = 0
    differences: list[str] = []
    for path, value in expected.items():
        if path not in answer:
            differences.append(f"{path}: {_shown(value)} is missing")
        elif _is_equal(value, answer[path]):
            right, tolerated = right + 1, tolerated + 1
        elif _is_close(value, answer[path]):
            tolerated += 1
        else:
            differences.append(f"{path}: {_shown(value)} → {_shown(answer[path])}")
    surplus = [path for path in answer if path not in expected]
    differences += [f"{path}: {_shown(answer[path])} was not expected" for path in surplus]
    return Score(right, tolerated, len(expected) + len(surplus), tuple(differences[:_DIFFERENCES_SHOWN]))


def _leaves(value: Value) -> Iterator[tuple[str, Value]]:
    """Yield paths and leaves: `lines[2].price`. An empty list or object is a leaf. Walks without recursion."""
    waiting: list[tuple[str, Value]] = [("", value)]
    while waiting:
        path, inner = waiting.pop()
        if isinstance(inner, dict) and inner:
            waiting += [(f"{path}.{name}".lstrip("."), part) for name, part in inner.items()][::-1]
        elif isinstance(inner, list) and inner:
            waiting += [(f"{path}[{index}]", part) for index, part in enumerate(inner)][::-1]
        else:
            yield path or "the answer", inner


def _cells(rows: list[dict[str, str]]) -> dict[str, Value]:
    return {f"row {number}, {column}": cell for number, row in enumerate(rows, 1) for column, cell in row.items()}


def _is_equal(expected: Value, answer: Value) -> bool:
    return type(expected) is type(answer) and expected == answer


def _is_close(expected: Value, answer: Value) -> bool:
    numbers = _number(expected), _number(answer)
    if numbers[0] is not None and numbers[1] is not None:
        return math.isclose(numbers[0], numbers[1], rel_tol=_NUMBER_TOLERANCE, abs_tol=1e-9)
    if isinstance(expected, str) and isinstance(answer, str):
        return _plain(expected) == _plain(answer)
    return False


def _number(value: Value) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value.strip()) if isinstance(value, str) and value.strip().isascii() else None
    except ValueError:
        return None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _phrase(words: list[str]) -> str:
    return " ".join(words) or "(nothing)"


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _shown(value: Value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _parse(text: str) -> Value:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _parse_or_text(text: str) -> Value:
    try:
        return _parse(text)
    except ValueError:
        return text


def _rows(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="(surplus)", restval="")
    return [{str(name).strip(): _joined(cell).strip() for name, cell in row.items()} for row in reader]


def _joined(cell: str | list[str]) -> str:
    return cell if isinstance(cell, str) else ", ".join(cell)


def _rows_of_answer(text: str) -> list[dict[str, str]]:
    """Return the rows of an answer that is a JSON list of records, or CSV."""
    value = _parse_or_text(text)
    if isinstance(value, dict):
        value = next((inner for inner in value.values() if isinstance(inner, list)), [value])
    if isinstance(value, list):
        return [{name: _as_cell(cell) for name, cell in row.items()} for row in value if isinstance(row, dict)]
    return _rows(text)


def _as_cell(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
