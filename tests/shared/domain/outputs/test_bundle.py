"""What an answer says of a bundle: odd entries are left out with a warning, names are safe for objects."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.domain.outputs.bundle import read_bundle


def entry(**fields: JsonValue) -> JsonValue:
    return {"type": "invoice", "title": "An invoice", "first_page": 1, "last_page": 1, **fields}


@pytest.mark.parametrize("pages", [(0, 1), (2, 1), (1, 4), (None, 1), ("1", "2"), (True, 1), (1.5, 2)])
def test_pages_that_the_file_does_not_have_are_left_out(pages: tuple[JsonValue, JsonValue]) -> None:
    bundle = read_bundle([entry(first_page=pages[0], last_page=pages[1])], 3)
    assert bundle.documents == ()
    assert "was not cut out" in bundle.warnings[0]


@pytest.mark.parametrize(
    ("named", "ending"),
    [
        ({"type": "Rechnung Nr. 7/2026"}, "01-rechnung-nr-7-2026.pdf"),
        ({"type": "../../etc"}, "01-etc.pdf"),
        ({"type": "", "title": "Vertrag"}, "01-vertrag.pdf"),
        ({"type": "請求書"}, "01-請求書.pdf"),
        ({"type": None, "title": None}, "01-document.pdf"),
        ({"type": "x" * 500}, f"01-{'x' * 60}.pdf"),
        ({"type": "請" * 500}, f"01-{'請' * 20}.pdf"),
    ],
)
def test_a_document_is_named_by_its_type(named: dict[str, JsonValue], ending: str) -> None:
    ((document,), _) = read_bundle({"documents": [entry(**named)]}, 1)
    assert document.ending == ending


@given(kind=st.text(max_size=80))
def test_names_hold_neither_folders_nor_control_characters(kind: str) -> None:
    ((document,), _) = read_bundle([entry(type=kind, title=kind)], 1)
    assert re.fullmatch(r"01-[\w-]+\.pdf", document.ending)


def test_no_more_than_two_hundred_documents_are_cut_out() -> None:
    bundle = read_bundle([entry(first_page=page, last_page=page) for page in range(1, 301)], 300)
    assert len(bundle.documents) == 200
    assert bundle.warnings[0] == "Of 300 documents, the first 200 were cut out."


def test_documents_that_share_pages_are_cut_out_up_to_twice_the_pages_of_the_file() -> None:
    bundle = read_bundle([entry(first_page=1, last_page=1000)] * 200, 1000)
    assert [(document.first, document.last) for document in bundle.documents] == [(1, 1000)] * 2
    assert bundle.warnings[:2] == tuple(
        f"Document {number} was not cut out: too many documents have the same pages." for number in (3, 4)
    )


def test_an_answer_without_documents_cuts_nothing() -> None:
    assert read_bundle({"documents": []}, 3) == ((), ())
    assert read_bundle("words", 3) == ((), ())
