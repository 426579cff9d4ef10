"""Tables of answers: which answers make one, and cells that a spreadsheet must not run."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.outputs.tables import NoTable, table


def test_a_flat_list_is_a_table_in_the_order_of_its_schema() -> None:
    schema: Any = {"type": "array", "items": {"type": "object", "properties": {"name": {}, "price": {}, "tags": {}}}}
    value: JsonValue = [
        {"price": -5.5, "name": "Tea, green", "extra": True},
        {"name": 'say "hi"\nthere', "tags": ["a"], "price": None},
    ]
    rows = list(csv.reader(io.StringIO(table(value, schema), newline="")))
    assert rows == [
        ["name", "price", "tags", "extra"],
        ["Tea, green", "-5.5", "", "true"],
        ['say "hi"\nthere', "", '["a"]', ""],
    ]


def test_the_one_list_of_an_object_is_its_table_and_an_object_without_lists_is_a_row() -> None:
    assert table({"total": 2, "items": [{"a": 1}, {"a": 2}]}) == '"a"\r\n"1"\r\n"2"\r\n'
    assert table({"a": 1, "b": "x"}) == '"a","b"\r\n"1","x"\r\n'
    assert table(["x", "y"]) == '"value"\r\n"x"\r\n"y"\r\n'


@pytest.mark.parametrize("value", [{"a": [], "b": []}, [1, {"a": 1}], "text", [[1]]])
def test_what_is_no_flat_list_makes_no_table(value: JsonValue) -> None:
    with pytest.raises(NoTable):
        table(value)


@pytest.mark.parametrize(
    "start",
    ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "\xa0=", "\ufeff=", "\u200b@", "\x0b=", "\u3000 \u2060+", "﹣"],
)
def test_cells_that_a_spreadsheet_would_run_are_made_harmless(start: str) -> None:
    text = f'{start}HYPERLINK("http://evil")'
    rows = list(csv.reader(io.StringIO(table([{f"{start}head": text}]), newline="")))
    assert rows == [[f"'{start}head"], [f"'{text}"]]


@pytest.mark.parametrize(
    "text", ["x;=1+1;y", "a\n=1+1", "a\t @SUM(A1)", "a; -HYPERLINK(1)", "a;+cmd|' /C calc'!A0", "a;\u200b=1"]
)
def test_no_cell_is_a_formula_where_semicolons_or_tabs_divide_and_quotes_are_not_seen(text: str) -> None:
    for line in table([{"a": "first", "b": text}]).splitlines():
        for cell in re.split(r"[;\t]|,(?=\")", line):
            assert cell.strip(' \u200b"')[:1] not in ("=", "+", "-", "@")


@given(st.text(alphabet="=+-@'\";,\t\r\n \xa0\ufeffa1(|!"))
def test_a_cell_is_what_it_was_but_for_apostrophes(text: str) -> None:
    [[_], [cell]] = csv.reader(io.StringIO(table([text]), newline=""))
    assert cell.replace("'", "") == text.replace("'", "")
    assert cell.lstrip(" \xa0\ufeff\t\r\n")[:1] not in tuple("=+-@")


def test_a_list_within_a_cell_is_left_as_it_is() -> None:
    text = "Notes:\n- Tea (green)\n- Milk; 2 - 3 litres"
    [_, [cell]] = csv.reader(io.StringIO(table([text]), newline=""))
    assert cell == text
