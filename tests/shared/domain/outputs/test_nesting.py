"""HTML that nests without end is shown as its text, in little time, by whatever trick it hides how deep it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.outputs.markup import page
from shared.domain.outputs.nesting import DEEPEST, too_deep

MANY = 50_000
SOON = 5.0
"""Seconds; cleaning the first of these took as long on a free machine, the worst two minutes."""

DEEP = {
    "blocks": "<div>",
    "lists": "<ul><li>",
    "formatting": "<p><b>",
    "tables": "<table><tr><td>",
    "unknown": "<x-y>",
    "in capitals": "<DIV CLASS=x>",
    "closed by nobody": "<div/>",
    "end tags in comments": "<div><!--</div>-->",
    "end tags in values": '<div title="</div>">',
    "end tags in values without quotes": "<div a=</div>",
    "end tags that are comments": "<div></ </div>",
    "end tags in declarations": "<div><!x </div>",
    "end tags in instructions": "<div><? </div>",
    "end tags in styles": "<div><style></div></style>",
    "end tags in text areas": "<div><textarea></div></textarea>",
    "end tags that a barrier stops": "<div><object></div></object>",
    "end tags of forms": "<form><div></form>",
    "end tags of formatting": "<b><div></b>",
    "end tags of the body": "<body><div></body>",
    "formatting that is opened anew": "<div><b x=1></div>",
    "svg": "<svg><g>",
    "svg with void elements": "<svg><col>",
    "left by a break out": "<math><annotation-xml><div></math>",
    "within a picture": "<svg><foreignObject><div></svg>",
}
FLAT = {
    "end tags only": "</p>",
    "rows without end tags": '<tr><td class="a">it\'s<td><b>x</b>',
    "paragraphs without end tags": "<p>text <i>it</i> <br>",
    "list items without end tags": "<li>x",
    "closed": "<div class='x'><p style=\"color:red\">a</p></div>",
    "comparisons": "a > b < c ",
    "comments": "<!-- a -->",
}
BROKEN = {
    "equals": "<a =",
    "quotes": '<a "',
    "values": "<a b='",
    "names": "<a",
    "opened comments": "<!--",
    "opened scripts": "<script ",
    "opening brackets": "<",
    "blanks": "<p" + " " * 100,
}


@pytest.mark.parametrize("trick", DEEP)
def test_what_nests_deeper_than_any_document_is_shown_as_its_text_at_once(trick: str) -> None:
    started = time.process_time()
    shown = page("<p>x</p>" + DEEP[trick] * MANY, "t")
    assert time.process_time() - started < SOON
    assert "<pre>&lt;p&gt;x&lt;/p&gt;" in shown


@pytest.mark.parametrize("kind", FLAT)
def test_long_documents_stay_documents(kind: str) -> None:
    wide = "<table>" + FLAT[kind] * (MANY // 10) + "</table>"
    assert not too_deep(wide)
    assert "<pre>" not in page(f"<p>x</p>{wide}", "t")


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_tags_take_no_more_than_their_length(kind: str) -> None:
    started = time.process_time()
    page("<p>x</p>" + BROKEN[kind] * MANY + "'>", "t")
    assert time.process_time() - started < SOON


def test_a_page_may_be_as_deep_as_the_bound() -> None:
    assert not too_deep("<div>" * DEEPEST + "</div>" * DEEPEST)
    assert too_deep("<div>" * (DEEPEST + 1))
    assert not too_deep(("<div>" * DEEPEST + "</div>" * DEEPEST) * 3)


@given(st.text(alphabet="<>/!-ab'\"= svgdi\n", max_size=80))
def test_short_text_is_never_too_deep_and_never_breaks_the_count(text: str) -> None:
    assert not too_deep(text)
