"""A schema's `pattern` is read, matched and written in bounded time and memory, whatever it says."""

from __future__ import annotations

import re
import time
from random import Random

import pytest

from local.standins.gemini.pattern_text import matches, matching_text, pattern_flaw


@pytest.mark.parametrize("length", [0, 40])
@pytest.mark.parametrize(
    "pattern", [r"^[A-Z]{2}-\d{4,6}(x|y)?$", r"\w+@\w+\.com", "a{2000}", "[^a]b*?", "(?:x|y){3}", ""]
)
def test_a_written_text_matches_its_pattern(pattern: str, length: int) -> None:
    text = matching_text(pattern, Random(1), length)
    assert re.search(pattern, text)
    assert matches(pattern, text)
    assert len(text) >= length or "*" not in pattern


def test_a_text_without_the_pattern_does_not_match() -> None:
    assert not matches("^a+$", "ab")
    assert not matches("b", "a" * 10_000)


@pytest.mark.parametrize(
    "pattern", ["(", "a{99999999999}", "(" * 100 + ")" * 100, "(" * 4_000 + ")" * 4_000, "a" * 10_001]
)
def test_a_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    assert pattern_flaw(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "(((a{1000}){1000}){1000}){1000}",
        "(((){1000}){1000}){1000}",
        "a{4000000000}",
        r"(a*)*\1$",
    ],
)
def test_no_pattern_takes_more_than_bounded_time(pattern: str) -> None:
    began = time.process_time()
    assert pattern_flaw(pattern) is None
    assert len(matching_text(pattern, Random(1), 1_000)) <= 20_000
    matches(pattern, "a" * 100_000 + "b")
    assert time.process_time() - began < 5
