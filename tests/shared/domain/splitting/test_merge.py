"""Lists of neighbouring parts become one: what both hold of a shared page is kept once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.splitting.merge import merge_values


def rows(*numbers: int) -> JsonValue:
    return {"rows": [{"id": number, "name": f"Part {number}"} for number in numbers]}


@given(total=st.integers(1, 60), window=st.integers(2, 12), shared=st.integers(0, 5))
def test_windows_that_share_rows_are_joined_without_doubles(total: int, window: int, shared: int) -> None:
    windows = [rows(*range(start, min(total, start + window + shared))) for start in range(0, total, window)]
    assert merge_values(windows, overlap="rows").value == rows(*range(total))


def test_rows_that_differ_in_case_and_white_space_only_are_the_same() -> None:
    first: JsonValue = [{"name": "Tea"}, {"name": "Red rice"}]
    second: JsonValue = [{"name": "red  rice"}, {"name": "Salt"}]
    assert merge_values([first, second], overlap="rows").value == [
        {"name": "Tea"},
        {"name": "Red rice"},
        {"name": "Salt"},
    ]


def test_a_window_that_left_out_a_row_of_the_shared_page_doubles_nothing() -> None:
    assert merge_values([rows(1, 2, 3, 5), rows(3, 4, 5, 6)], overlap="rows").value == rows(1, 2, 3, 5, 4, 6)
    assert merge_values([rows(1, 2, 3, 4, 5), rows(3, 5, 6)], overlap="rows").value == rows(1, 2, 3, 4, 5, 6)


def test_moments_of_a_recording_are_kept_once_only_where_both_parts_agree() -> None:
    assert merge_values([rows(1, 2, 3), rows(2, 3, 4)], overlap="moments").value == rows(1, 2, 3, 4)
    assert merge_values([rows(1, 2, 3), rows(2, 4)], overlap="moments").value == rows(1, 2, 3, 2, 4)


def test_parts_that_share_nothing_keep_rows_that_are_alike() -> None:
    assert merge_values([rows(1, 2), rows(2, 3)]).value == rows(1, 2, 2, 3)
