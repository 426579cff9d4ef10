"""Find quotes in a text: exactly, or ignoring white space, case, punctuation and letter forms.

A number is never found within a longer one: 12 is not in 112, nor 1,234 in 1,234,567.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from typing import Literal, NamedTuple

from shared.domain.answer.response import Json

Match = Literal["exact", "normalised", "missing", "unchecked"]
"""`exact`: the words stand there, apart from white space. `normalised`: so do their letters and digits in a row.
`missing`: they do not. `unchecked`: the source has no text to look into, or is gone."""

_MAX_NAMED = 5


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


class SearchedText:
    """A text to search for quotes. Its normalised forms are computed once, when first needed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._spaced: _SearchForm | None = None
        self._normalised: _SearchForm | None = None

    def find(self, quote: str) -> Span | None:
        """Return the first place of the quote, exact before normalised; None if it is not there."""
        return self.find_exact(quote) or self.find_normalised(quote)

    def find_exact(self, quote: str) -> Span | None:
        if self._spaced is None:
            self._spaced = _without_blanks(self._text)
        return self._find_in(self._spaced, _without_blanks(quote).text, "exact")

    def find_normalised(self, quote: str) -> Span | None:
        if self._normalised is None:
            self._normalised = _letters_and_digits(self._text)
        return self._find_in(self._normalised, _letters_and_digits(quote).text, "normalised")

    def _find_in(self, form: _SearchForm, wanted: str, match: Match) -> Span | None:
        text, places = form
        at = text.find(wanted) if wanted else -1
        while at >= 0:
            start, end = places[at], places[at + len(wanted) - 1] + 1
            if not _cuts_a_number(self._text, start, end):
                return Span(start, end, match)
            at = text.find(wanted, at + 1)
        return None


def _without_blanks(text: str) -> _SearchForm:
    """Return the text without white space and soft hyphens, and where each character stood."""
    places = array("L", (index for index, letter in enumerate(text) if not letter.isspace() and letter != "\xad"))
    return _SearchForm("".join(text[index] for index in places), places)


def _letters_and_digits(text: str) -> _SearchForm:
    """Return the letters and digits in lower case and plain form (ﬁ is fi, ＡＢＣ is abc), and where each stood."""
    letters: list[str] = []
    places = array("L")
    for index, letter in enumerate(text):
        for plain in unicodedata.normalize("NFKC", letter).casefold():
            if plain.isalnum():
                letters.append(plain)
                places.append(index)
    return _SearchForm("".join(letters), places)


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
