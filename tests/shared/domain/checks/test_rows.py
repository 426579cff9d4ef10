"""Rows of an answer against the lines of the pages: what is missing is named, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.checks.rows import MissingRow, RowCount, count_rows, rows_of, warnings_of_rows


def line(number: int) -> str:
    return f"{number:04}  Blue part {chr(65 + number % 26)}  {number % 9}  {1000 + number:,}.50"


def row(number: int) -> list[str]:
    return [f"{number:04}", f"blue Part {chr(65 + number % 26)}", str(number % 9), str(1000.5 + number)]


def pages(count: int, a_page: int = 10) -> list[str]:
    return [
        "\n".join(["Stock of all our shops", *map(line, range(start, min(count, start + a_page))), f"Page {start}"])
        for start in range(0, count, a_page)
    ]


def test_an_answer_with_all_rows_misses_none() -> None:
    assert count_rows(pages(50), [row(number) for number in range(50)]) == RowCount(50, 50)


@given(left_out=st.sets(st.integers(0, 59), max_size=20))
def test_each_row_that_is_left_out_is_named_with_its_page(left_out: set[int]) -> None:
    counted = count_rows(pages(60), [row(number) for number in range(60) if number not in left_out])
    assert counted.on_pages == 60
    assert counted.missing == tuple(MissingRow(number // 10 + 1, line(number)) for number in sorted(left_out))


def test_rows_that_are_alike_need_a_line_each() -> None:
    counted = count_rows(["\n".join(["Tea 1 2.50"] * 6)], [["Tea", "1", "2.5"]] * 4)
    assert (counted.on_pages, len(counted.missing)) == (6, 2)


def test_words_may_be_more_or_fewer_from_line_to_line() -> None:
    text = "Tea 1 2.50\nGreen tea 3 4.00\nTea of the house 5 6.00\nVery black tea 7 8.00"
    answered = [["Tea", "1", "2.5"], ["Green tea", "3", "4"], ["Tea of the house", "5", "6.00"]]
    assert count_rows([text], answered).missing == (MissingRow(1, "Very black tea 7 8.00"),)


@pytest.mark.parametrize("text", ["", "   ", "Something else entirely, without any of it"])
def test_a_scan_or_another_text_does_not_tell_how_many_rows_there_are(text: str) -> None:
    assert count_rows([text], [row(1), row(2)]) == RowCount(None, 2)
    assert count_rows([text], []) == RowCount(None, 0)


def test_rows_are_the_items_of_the_longest_list() -> None:
    value: JsonValue = {
        "title": "Stock",
        "shops": ["A"],
        "rows": [{"id": "1", "size": {"w": 2, "h": None}}, {"id": "2", "ok": True}],
    }
    assert rows_of(value) == [["1", "2"], ["2"]]
    assert rows_of([["a", 1.5]]) == [["a", "1.5"]]
    assert rows_of("words") == rows_of({}) == []


def test_rows_of_a_transcription_are_those_of_its_tables_without_their_heads() -> None:
    text = "# Stock\n\n| id | name |\n|---|:--|\n| 1 | Tea |\n| 2 | Rice |\n\nAnd more:\n\n| 3 | Salt |\n"
    assert [[cell.strip() for cell in cells] for cells in rows_of(None, text)] == [
        ["1", "Tea"],
        ["2", "Rice"],
        ["3", "Salt"],
    ]


@pytest.mark.parametrize(
    ("answered", "printed"), [("1250", "1,250.00"), ("1250.5", "1.250,50"), ("7", "007"), ("0", "0.0")]
)
def test_a_number_is_the_same_however_it_is_printed(answered: str, printed: str) -> None:
    assert count_rows([f"Tea {printed}"], [["tea", answered]]).on_pages == 1


def test_warnings_name_the_pages_and_some_of_the_rows() -> None:
    missing = tuple(MissingRow(page, f"row of {page}") for page in (2, 3, 3, 7))
    (warning,) = warnings_of_rows(RowCount(40, 36, missing))
    assert warning == (
        "Rows are missing: 4 of the 40 that the file holds, on pages 2 to 3, 7: “row of 2”, “row of 3”, “row of 3” and "
        "others."
    )
    assert "on page 2:" in warnings_of_rows(RowCount(2, 1, missing[:1]))[0]
    assert warnings_of_rows(RowCount(3, 3)) == []
    assert "were not counted" in warnings_of_rows(RowCount(None, 3))[0]
