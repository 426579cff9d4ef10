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
    ("answered", "printed"),
    [
        ("1250", "1,250.00"),
        ("1250.5", "1.250,50"),
        ("1250", "1.250"),
        ("1.25", "1.250"),
        ("1234567.5", "1 234 567,50"),
        ("1000000", "10,00,000"),
        ("1250.5", "١٬٢٥٠٫٥٠"),
        ("7", "007"),
        ("0", "0.0"),
    ],
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


WORDS = "goes on over several lines of its narrow cell"


def lines_of_cells(number: int) -> list[str]:
    return [
        f"{number:04}",
        f"A description {number}",
        "that goes on over several",
        "lines of its narrow cell",
        "3 12.50",
    ]


def row_of_cells(number: int) -> list[str]:
    return [f"{number:04}", f"A description {number} that {WORDS}", "3", "12.5"]


def test_the_lines_of_a_high_row_are_one_row() -> None:
    text = "\n".join(line for number in range(20) for line in lines_of_cells(number))
    answered = [row_of_cells(number) for number in range(20)]
    assert count_rows([text], answered) == RowCount(20, 20)
    counted = count_rows([text], [*answered[:7], *answered[8:]])
    assert counted == RowCount(20, 19, (MissingRow(1, " ".join(lines_of_cells(7))),))


def test_a_row_may_go_on_below_the_foot_and_the_head_of_pages() -> None:
    lines = [line for number in range(20) for line in lines_of_cells(number)]
    pages = ["\n".join([*lines[:42], "Page 1 of 2"]), "\n".join(["No Article Qty Price", *lines[42:]])]
    assert count_rows(pages, [row_of_cells(number) for number in range(20)]) == RowCount(20, 20)


def test_what_a_merged_cell_says_may_be_in_each_of_its_rows() -> None:
    lines = [text for number in range(12) for text in ([f"Group {number // 3}"] * (number % 3 == 0) + [line(number)])]
    answered = [[f"Group {number // 3}", *row(number)] for number in range(12)]
    assert count_rows(["\n".join(lines)], answered) == RowCount(12, 12)
    assert count_rows(["\n".join(lines)], answered[:-1]).missing == (MissingRow(1, line(11)),)


def test_sums_between_the_rows_are_no_rows() -> None:
    lines = [text for number in range(20) for text in ([line(number)] + ["Sum of ten  10,000.00"] * (number % 10 == 9))]
    assert count_rows(["\n".join(lines)], [row(number) for number in range(20)]) == RowCount(20, 20)


def test_words_and_numbers_may_touch_in_the_text_and_names_may_have_numbers() -> None:
    text = "0001Cable 2m4 1,000.50\n0002Cable 3 m x 45 1,037.50\n0003Tea6 1,074.50\n0004Lamp E277 9.00"
    answered = [["0001", "Cable 2m", "4", "1000.5"], ["0003", "Tea", "6", "1074.5"], ["0004", "Lamp E27", "7", "9"]]
    counted = count_rows([text], answered)
    assert counted.missing == (MissingRow(1, "0002Cable 3 m x 45 1,037.50"),)


def test_rows_side_by_side_are_two_rows() -> None:
    texts = [f"{line(number)}  {line(number + 10)}" for number in range(10)]
    assert count_rows(["\n".join(texts)], [row(number) for number in range(20)]) == RowCount(20, 20)
