"""A page keeps its layout and its words, and does nothing."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.outputs.markup import page

EVIL = """```html
<html><head><title>t</title><style>@import 'x'</style><script>alert(1)</script></head>
<body onload="x()"><h1 style="text-align:center;background:url(http://evil/x.png)">Report</h1>
<table border=1><tr><th scope=row colspan=2 onclick=x>Sum</th></tr></table>
<img src=http://evil/pixel onerror=x><svg onload=x><use href=x></svg><iframe src=x></iframe>
<form action=x><input></form>
<a href="javascript:alert(1)">a</a><a href=//evil>b</a><a href="https://example.org/">c</a><base href=x>
<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>
</body></html>
```"""


def test_html_keeps_its_layout_and_nothing_that_runs_loads_or_leaves() -> None:
    shown = page(EVIL, 'a "<b>".pdf')
    assert '<h1 style="text-align:center">Report</h1>' in shown
    assert re.search(r'<th [^>]*colspan="2"', shown)
    assert 'href="https://example.org/"' in shown
    assert "<title>a &quot;&lt;b&gt;&quot;.pdf</title>" in shown
    assert "default-src 'none'" in shown
    body = shown.partition("<body>")[2]
    for forbidden in ("<script", "alert", "<style", "onload", "onclick", "onerror", "evil", "<img", "<svg", "<iframe"):
        assert forbidden not in body
    for forbidden in ("<form", "javascript:", "<base", "url(", "@import", "<math"):
        assert forbidden not in body


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("border:url(https://e);color:red", "color:red"),
        ("width:expression(1);margin:0", "margin:0"),
        ("color:rgb(1, 2, 3)", "color:rgb(1, 2, 3)"),
        ("COLOR:HSLA(1,2%,3%,.5);border:1px solid rgba(0,0,0,.5)", "border:1px solid rgba(0, 0, 0, 0.5)"),
        ("border:u\\72l(https://e);color:rgb(url(x))", None),
        ("border:ur/**/l(https://e);padding:0", "padding:0"),
    ],
)
def test_a_style_neither_loads_nor_computes(style: str, kept: str | None) -> None:
    shown = page(f'<p style="{style}">x</p>', "t").partition("<body>")[2]
    assert re.findall(r'style="(.*?)"', shown) == ([] if kept is None else [kept])


@given(st.text(alphabet="url(expression);:'\"\\/*72 border-width,#", max_size=60))
def test_no_style_calls_anything(style: str) -> None:
    shown = page(f'<p style="border:{html.escape(style)};width:{html.escape(style)}">x</p>', "t")
    assert "(" not in shown.partition("<body>")[2]


def test_an_answer_that_is_no_html_is_shown_as_it_is() -> None:
    assert "<pre>2 &lt; 3 &amp; 4</pre>" in page("2 < 3 & 4", "t")
    assert "<pre>Write to Ann &lt;a@b.c&gt;, dear &lt;name&gt;.</pre>" in page(
        "Write to Ann <a@b.c>, dear <name>.", "t"
    )


def test_what_only_looks_like_a_tag_stays_to_be_read() -> None:
    shown = page("<p>Ann <a@b.c> at <https://example.org/?a=1>, 1 <2</p>", "t")
    assert "<p>Ann &lt;a@b.c&gt; at &lt;https://example.org/?a=1&gt;, 1 &lt;2</p>" in shown


@pytest.mark.parametrize(
    "answer",
    [
        "Here is the HTML:\n```html\n<h1>A</h1>\n```",
        "Here is the HTML:\n\n```HTML\r\n<h1>A</h1>\r\n```\r\nLet me know!",
        "```html\n<h1>A</h1>",
        "```html\n<h1>A</h1>\n```\nI left out the logo.",
    ],
)
def test_words_around_the_fence_of_a_page_are_no_part_of_it(answer: str) -> None:
    body = page(answer, "t").partition("<body>")[2]
    assert body.split() == ["<h1>A</h1>", "</body>", "</html>"]


def test_a_page_with_a_fence_in_it_is_shown_whole() -> None:
    shown = page("<h1>A</h1>\n```html\n<b>b</b>\n```\n<p>c</p>", "t")
    assert "<h1>A</h1>" in shown
    assert "<p>c</p>" in shown


PARTS = [*"<>/!-a \"'=&`\n", "<b>", "</b>", "<script>", "onload=", "html", "\ud800"]


@given(st.lists(st.sampled_from(PARTS)).map("".join))
def test_a_page_runs_nothing_whatever_the_answer(answer: str) -> None:
    body = page(answer, "t").partition("<body>")[2]
    assert not re.search(r"<script|<[^>]*onload", body)
