"""Find quotes in a text: exactly, or ignoring white space, case, punctuation and letter forms.

A number is never found within a longer one, nor in place of another: 12 is not in 112, nor 1,234 in 1,234,567, nor is
12.50 the same as 1,250. What stands as words of its own is found before what is a part of words.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from shared.domain.answer.response import Json
from shared.domain.checks.numbers import decimal_marks, with_plain_digits

Match = Literal["exact", "normalised", "missing", "unchecked"]
"""`exact`: the words stand there, apart from white space. `normalised`: so do their letters and digits in a row.
`missing`: they do not. `unchecked`: the source has no text to look into, or is gone."""

_MAX_NAMED = 5
_EDGE = 600
"""Characters at the end of a page and the beginning of the next, its foot and head among them, in which the halves of a
quote are looked up."""
_LEAST_HALF = 6
"""Letters and digits of each half of a quote that goes on on the next page."""


class Span(NamedTuple):
    """A place in a text, as offsets of its characters."""

    start: int
    end: int
    match: Match


class Found(NamedTuple):
    """The result of looking up one quote."""

    match: Match
    page: int | None = None
    """Counted from 1; None for a source without pages."""
    boxes: tuple[tuple[int, int, int, int], ...] = ()
    """Its lines on the page: top, left, bottom, right, each 0 to 1000."""


class _SearchForm(NamedTuple):
    """A text in another form, with the original offset of each character."""

    text: str
    places: array[int]
    marks: Mapping[int, bool] = MappingProxyType({})
    """Of each character behind a mark within a number, whether that is a decimal mark; without those that may be."""


class SearchedText:
    """A text to search for quotes. Its normalised forms are computed once, when first needed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spaced: _SearchForm | None = None
        self._normalised: _SearchForm | None = None

    def find(self, quote: str) -> Span | None:
        """Return the place of the quote; None if it is not there. What cuts no word comes first, then what is exact."""
        exact = self.find_exact(quote)
        if exact is not None and not _cuts_a_word(self._text, exact.start, exact.end):
            return exact
        normalised = self.find_normalised(quote)
        if normalised is not None and not _cuts_a_word(self._text, normalised.start, normalised.end):
            return normalised
        return exact or normalised

    def find_exact(self, quote: str) -> Span | None:
        if self._spaced is None:
            self._spaced = _without_blanks(self._text)
        return self._find_in(self._spaced, _without_blanks(quote), "exact")

    def find_normalised(self, quote: str) -> Span | None:
        return self._find_in(self._in_plain_letters, _letters_and_digits(quote), "normalised")

    def find_across(self, quote: str, following: SearchedText) -> Span | None:
        """Return the place of the beginning of a quote that goes on in the text that follows; None if there is none."""
        wanted = _letters_and_digits(quote).text
        ending, beginning = self._in_plain_letters.text[-_EDGE:], following._in_plain_letters
        sizes = range(_LEAST_HALF, len(wanted) - _LEAST_HALF + 1)
        # The longest beginning that stands there: what is found with a longer one is found with a shorter one too.
        size = _LEAST_HALF - 1 + bisect_left(sizes, True, key=lambda size: wanted[:size] not in ending)
        rest = beginning.text.find(wanted[size:], 0, _EDGE) if size in sizes else -1
        if rest < 0:
            return None
        places = self._in_plain_letters.places
        at = len(places) - len(ending) + ending.rfind(wanted[:size])
        start, end = places[at], places[at + size - 1] + 1
        goes_on = beginning.places[rest], beginning.places[rest + len(wanted) - size - 1] + 1
        if _cuts_a_number(self._text, start, end) or _cuts_a_number(following._text, *goes_on):
            return None
        return Span(start, end, "normalised")

    @property
    def _in_plain_letters(self) -> _SearchForm:
        if self._normalised is None:
            self._normalised = _letters_and_digits(self._text)
        return self._normalised

    def _find_in(self, form: _SearchForm, wanted: _SearchForm, match: Match) -> Span | None:
        """Return the first place at which no word is cut, else the first at which no number is."""
        within_words = None
        at = form.text.find(wanted.text) if wanted.text else -1
        while at >= 0:
            start, end = form.places[at], form.places[at + len(wanted.text) - 1] + 1
            if not _cuts_a_number(self._text, start, end) and _same_numbers(wanted, form, at):
                if not _cuts_a_word(self._text, start, end):
                    return Span(start, end, match)
                within_words = within_words or Span(start, end, match)
            at = form.text.find(wanted.text, at + 1)
        return within_words


def _without_blanks(text: str) -> _SearchForm:
    """Return the text without white space and soft hyphens, and where each character stood."""
    places = array("L", (index for index, letter in enumerate(text) if not letter.isspace() and letter != "\xad"))
    return _SearchForm("".join(text[index] for index in places), places)


def _letters_and_digits(text: str) -> _SearchForm:
    """Return the letters and digits in lower case and plain form (ﬁ is fi, ＡＢＣ is abc, ٣ is 3), and their places.

    A letter and the marks on it are one, whether they are written as one character or as several.
    """
    letters: list[str] = []
    places = array("L")
    for index, marked in _with_marks(with_plain_digits(text)):
        for plain in unicodedata.normalize("NFKC", marked).casefold():
            if plain.isalnum():
                letters.append(plain)
                places.append(index)
    return _SearchForm("".join(letters), places, _decimal_places(text, places))


def _with_marks(text: str) -> Iterator[tuple[int, str]]:
    """Yield each letter with the marks that follow it, and its place."""
    if text.isascii():
        yield from enumerate(text)
        return
    start = 0
    for index in range(1, len(text) + 1):
        if index == len(text) or not unicodedata.combining(text[index]):
            yield start, text[start:index]
            start = index


def _decimal_places(text: str, places: array[int]) -> dict[int, bool]:
    """Return the `marks` of a form."""
    marks = ((place, mark) for place, mark in decimal_marks(with_plain_digits(text)) if mark != "either")
    return {bisect_left(places, place): mark == "decimal" for place, mark in marks}


def _same_numbers(wanted: _SearchForm, form: _SearchForm, at: int) -> bool:
    """Whether the decimal marks of what is wanted, and of what was found for it, stand at the same digits."""
    for index, is_decimal in wanted.marks.items():
        place = form.places[at + index]
        if is_decimal and not form.marks.get(at + index, place - form.places[at + index - 1] > 1):
            return False
    return not any(
        form.marks.get(at + index) and not wanted.marks.get(index, place - wanted.places[index - 1] > 1)
        for index, place in enumerate(wanted.places[1:], 1)
    )


def _cuts_a_word(text: str, start: int, end: int) -> bool:
    """Whether the span begins or ends within a word, in a script that has blanks between words."""
    before, after = text[max(0, start - 1) : start + 1], text[end - 1 : end + 1]
    return any(len(pair) == 2 and pair.isalpha() and not _is_unspaced(pair) for pair in (before, after))


def _is_unspaced(pair: str) -> bool:
    """Whether one of two letters is Chinese, Japanese, Thai or the like."""
    return any(
        "\u0e00" <= letter <= "\u0eff" or "\u1000" <= letter <= "\u109f" or letter >= "\u2e80" for letter in pair
    )


def _cuts_a_number(text: str, start: int, end: int) -> bool:
    """Whether the span begins or ends within a number, its separators included."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    begins = text[start].isdigit() and (before[-1:].isdigit() or (before[-1:] in tuple(",.'") and before[:1].isdigit()))
    ends = text[end - 1].isdigit() and (after[:1].isdigit() or (after[:1] in tuple(",.'") and after[1:].isdigit()))
    return begins or ends


def warnings_of_evidence(answer_paths: Sequence[str], evidence: Sequence[Json]) -> list[str]:
    """Return warnings about values whose quote is not in the source, and values without a quote."""
    missing = [str(entry["path"]) for entry in evidence if entry["match"] == "missing"]
    proven_paths = {_plain_path(str(entry["path"])) for entry in evidence}
    unproven = [path for path in answer_paths if not _is_proven(_plain_path(path), proven_paths)]
    warnings = []
    if missing:
        warnings.append(f"Quotes that are not in the source, so their values may be invented: {_listed(missing)}.")
    if unproven:
        warnings.append(f"Values without a quote: {_listed(unproven)}.")
    if any(entry["match"] == "unchecked" for entry in evidence):
        warnings.append("Quotes were not looked up: the source has no text that can be searched.")
    return warnings


def _is_proven(path: str, proven_paths: set[str]) -> bool:
    """Return whether the value, or an object or list that contains it, has a quote."""
    while path:
        if path in proven_paths:
            return True
        path = path[: max(path.rfind("."), path.rfind("["))] if max(path.rfind("."), path.rfind("[")) > 0 else ""
    return False


def _plain_path(path: str) -> str:
    """Return a path in one form: models write `$.lines[2].price`, `answer.lines.2.price` and `/lines/2/price`."""
    parts = re.findall(r"[^./\[\]$\"']+", path)
    if parts[:1] == ["answer"]:
        parts = parts[1:]
    return "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).lstrip(".")


def _listed(paths: Sequence[str]) -> str:
    shown = [path[:80] or "the answer" for path in dict.fromkeys(paths)]
    more = len(shown) - _MAX_NAMED
    return ", ".join(shown[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def paths_of_values(answer: object) -> list[str]:
    """Return the paths of all values other than null, such as `lines[2].price`."""
    paths: list[str] = []
    waiting: list[tuple[str, object]] = [("", answer)]
    while waiting:
        path, inner = waiting.pop()
        if isinstance(inner, dict):
            waiting += [(f"{path}.{name}".lstrip("."), part) for name, part in reversed(inner.items())]
        elif isinstance(inner, list):
            waiting += [(f"{path}[{index}]", inner[index]) for index in reversed(range(len(inner)))]
        elif inner is not None:
            paths.append(path)
    return paths
