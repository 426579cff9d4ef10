"""Quotes are found where they stand, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answer.response import Json
from shared.domain.checks.quotes import SearchedText, paths_of_values, warnings_of_evidence

INVOICE = "Invoice No. 4711\nTotal  due:\n1,234.56 EUR\nﬁnal o\xadffice STRASSE 112"


@pytest.mark.parametrize(
    ("quote", "place", "match"),
    [
        ("Invoice No. 4711", "Invoice No. 4711", "exact"),
        ("Total due: 1,234.56", "Total  due:\n1,234.56", "exact"),
        ("office", "o\xadffice", "exact"),
        ("total due", "Total  due", "normalised"),
        ("1.234,56 EUR", "1,234.56 EUR", "normalised"),
        ("final office", "ﬁnal o\xadffice", "normalised"),
        ("straße", "STRASSE", "normalised"),
    ],
)
def test_a_quote_is_found_as_it_stands_or_in_another_form(quote: str, place: str, match: str) -> None:
    span = SearchedText(INVOICE).find(quote)
    assert span is not None
    assert (INVOICE[span.start : span.end], span.match) == (place, match)


@pytest.mark.parametrize("quote", ["", "   ", "…", "Total paid", "12", "234.56", "1,234", "34", "471"])
def test_what_is_not_there_or_only_a_part_of_a_number_is_missing(quote: str) -> None:
    assert SearchedText(INVOICE).find(quote) is None


def test_a_number_is_found_where_it_stands_alone_after_a_longer_one() -> None:
    span = SearchedText("112 apples, 12 pears.").find("12")
    assert span is not None
    assert span.start == 12


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("12.50", "1,250"),
        ("1250.00", "1.250.00,0"),
        ("Total 1.5", "Total 15"),
        ("Total 15", "Total 1.5"),
        ("3,14", "314"),
    ],
)
def test_a_number_with_other_decimals_is_another_number(quote: str, text: str) -> None:
    assert SearchedText(text).find(quote) is None


@pytest.mark.parametrize(
    ("quote", "text"),
    [
        ("1.250", "1,250"),
        ("1250", "1.250"),
        ("1 234 567,50", "1,234,567.50"),
        ("456.78", "المبلغ ٤٥٦٫٧٨"),
        ("M\u00fcller", "signed: MU\u0308LLER"),
        ("du\u0301 19.5 %", "D\u00da 19,5%"),
    ],
)
def test_the_same_in_other_digits_marks_and_letters_is_found(quote: str, text: str) -> None:
    assert SearchedText(text).find(quote) is not None


@pytest.mark.parametrize(
    ("quote", "place"), [("Tax", "Tax 7"), ("total", "Total 12"), ("art", "art deco"), ("東京", "東京都")]
)
def test_words_of_their_own_are_found_before_parts_of_words(quote: str, place: str) -> None:
    text = "Taxi 4, Subtotal 9, party. Tax 7, Total 12, art deco, 東京都"
    span = SearchedText(text).find(quote)
    assert span is not None
    assert text[span.start :].startswith(place)


def test_a_quote_that_goes_on_on_the_next_page_is_found_at_its_beginning() -> None:
    first = SearchedText("Before. The rent is due\non the first day\nPage 1 of 2")
    second = SearchedText("Lease of 2024\nof each month, in full. Behind.")
    span = first.find_across("due on the first day of each month", second)
    assert span is not None
    assert (span.match, span.start) == ("normalised", 20)
    assert first.find_across("due on the first day of every month", second) is None
    assert first.find_across("the first day of each year", second) is None
    assert first.find_across("day", second) is None


@given(st.text(max_size=200), st.data())
def test_any_part_of_a_text_with_a_letter_is_found_in_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    quote = text[start : data.draw(st.integers(start, len(text)))]
    span = SearchedText(text).find(quote)
    if any(letter.isalpha() for letter in quote) and not any(letter.isdigit() for letter in text):
        assert span is not None


@given(st.text(), st.text())
def test_any_texts_can_be_searched(text: str, quote: str) -> None:
    span = SearchedText(text).find(quote)
    assert span is None or 0 <= span.start < span.end <= len(text)


def an_entry(path: str, match: str) -> Json:
    return {"path": path, "quote": "q", "page": 1, "match": match, "boxes": []}


def test_a_quote_that_is_not_in_the_source_and_a_value_without_one_are_told() -> None:
    entries = [an_entry("$.total", "missing"), an_entry("lines[0]", "exact")]
    warnings = warnings_of_evidence(["total", "lines[0].price", "lines[1].price"], entries)
    assert warnings == [
        "Quotes that are not in the source, so their values may be invented: $.total.",
        "Values without a quote: lines[1].price.",
    ]


@pytest.mark.parametrize("path", ["lines[2].price", "$.lines[2].price", "answer.lines.2.price", "/lines/2/price"])
def test_the_spellings_of_a_path_are_one(path: str) -> None:
    assert warnings_of_evidence(["lines[2].price"], [an_entry(path, "exact")]) == []


def test_only_five_places_are_named() -> None:
    paths = [f"rows[{number}]" for number in range(12)]
    assert warnings_of_evidence(paths, []) == [
        "Values without a quote: rows[0], rows[1], rows[2], rows[3], rows[4] and 7 more."
    ]


def test_the_places_of_all_values_are_listed_in_order() -> None:
    answer = {"total": 1, "lines": [{"price": 2, "note": None}, {"price": 0}], "empty": []}
    assert paths_of_values(answer) == ["total", "lines[0].price", "lines[1].price"]
