"""Scores: how much of an answer is what was expected."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.judging import Kind, compare

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_an_answer_that_is_what_was_expected_is_all_right(value: object) -> None:
    score = compare("json", json.dumps(value), json.dumps(value, indent=3))
    assert (score.share, score.exact_share, score.differences) == (1.0, 1.0, ())


@given(JSON, JSON)
def test_a_score_is_a_share_and_tolerance_never_lowers_it(expected: object, answer: object) -> None:
    score = compare("json", json.dumps(expected), json.dumps(answer))
    assert 0 <= score.exact_share <= score.share <= 1
    assert bool(score.differences) == (score.share < 1)


def test_each_field_counts_once_and_a_wrong_missing_or_surplus_one_is_named() -> None:
    expected = {"total": 12.5, "lines": [{"name": "Tea"}, {"name": "Cups"}], "paid": True}
    answer = {"total": 13, "lines": [{"name": "Tea"}], "paid": True, "note": "x"}
    score = compare("json", json.dumps(expected), json.dumps(answer))
    assert (score.right, score.total) == (2, 5)
    assert score.differences == (
        "total: 12.5 → 13",
        'lines[1].name: "Cups" is missing',
        'note: "x" was not expected',
    )


@pytest.mark.parametrize(
    ("expected", "answer", "tolerated"),
    [
        (12, 12.0, True),
        (12.5, "12.50", True),
        ("Zürich", " zürich ", True),
        ("ＡＢＣ", "abc", True),
        ("Zürich", "Zuerich", False),
        (1, True, False),
        ("", None, False),
        (100000, 100001, False),
    ],
)
def test_numbers_of_one_value_and_texts_that_differ_in_case_or_space_are_tolerated(
    expected: object, answer: object, tolerated: bool
) -> None:
    score = compare("json", json.dumps([expected]), json.dumps([answer]))
    assert score.exact_share == 0
    assert score.share == float(tolerated)


def test_an_answer_that_is_no_json_is_wrong_and_shown() -> None:
    score = compare("json", '{"total": 1}', "I cannot read this invoice.")
    assert score.share == 0
    assert any("I cannot read" in difference for difference in score.differences)


def test_words_are_compared_without_case_and_punctuation() -> None:
    score = compare("txt", "Good morning, everyone. It's nine o'clock.", "good morning everyone it's ten o'clock")
    assert (score.right, score.total) == (5, 6)
    assert score.differences == ("nine → ten",)


def test_words_too_many_count_as_errors_but_never_below_nothing() -> None:
    assert compare("txt", "one two", "one two three four").share == 0
    assert compare("txt", "one", "a b c d e f").share == 0
    assert compare("txt", "", "").share == 1


def test_ten_thousand_words_are_compared_without_waiting() -> None:
    text = " ".join(f"word{number % 977}" for number in range(10_000))
    assert compare("txt", text, text.replace("word5 ", "")).share > 0.99


CSV = "name,price\nTea,3.50\nCups,12\n"


@pytest.mark.parametrize(
    "answer",
    [
        '[{"name": "Tea", "price": 3.5}, {"name": "Cups", "price": 12}]',
        '{"lines": [{"name": "tea", "price": "3.50"}, {"name": "Cups", "price": "12"}]}',
        "price,name\n3.50,Tea\n12,Cups\n",
    ],
)
def test_a_table_is_compared_cell_by_cell_whether_it_came_as_json_or_csv(answer: str) -> None:
    assert compare("csv", CSV, answer).share == 1


def test_a_missing_row_is_as_many_errors_as_it_has_cells() -> None:
    score = compare("csv", CSV, '[{"name": "Tea", "price": 3.5}]')
    assert (score.tolerated, score.total) == (2, 4)
    assert score.differences[0] == 'row 2, name: "Cups" is missing'


@pytest.mark.parametrize("kind", ["json"])
@pytest.mark.parametrize("text", ["", "{", "[" * 100_000])
def test_an_expected_answer_that_cannot_be_read_is_an_error(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError):
        compare(kind, text, "{}")


@given(st.sampled_from(["txt", "csv"]), st.text(), st.text())
def test_any_texts_can_be_compared(kind: Kind, expected: str, answer: str) -> None:
    assert 0 <= compare(kind, expected, answer).share <= 1
