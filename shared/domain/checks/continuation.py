"""Continue an answer that ended at the model's limit, and join its pieces.

The prompt asks the model to begin with the last words of its answer, so that the seam can be found. The model may still
begin with a fence or words of its own ("Here is the rest:"), or repeat more or less than requested.
"""

from __future__ import annotations

import re

_QUOTED = 120
"""Characters of the end that the model is asked to begin with."""
_MIN_OVERLAP = 20
"""Characters. A shorter overlap may be chance, or a repeated row."""
_MIN_OVERLAP_IN_SENTENCE = 8
"""Within a sentence, a shorter overlap suffices, since sentences rarely repeat. "the" before "then" is no overlap."""
_MAX_OVERLAP = 4000
_TAIL = 40
_PREAMBLE = 300
"""Characters that a piece may have before the quoted end."""
_OPENED = re.compile(r"(?P<before>[^`]{0,300}?)^ {0,3}`{3,}[ \t]*+(?P<kind>[\w+-]*+)[ \t]*+\r?\n", re.MULTILINE)
_FENCES = re.compile(r"^ {0,3}`{3,}", re.MULTILINE)
_END_OF_PREAMBLE = re.compile(r"(?:\n|:|…|\.\.\.)\s*\Z")


def continuation_prompt(so_far: str, *, structured: bool = False) -> str:
    kind = " It is one JSON document: send the rest of its text only, without a fence around it." if structured else ""
    return (
        "Your answer was cut off at the length limit. Go on exactly where it stopped, to its end, without an "
        f"introduction and without beginning anew.{kind} Start with these last words of it, character for "
        f"character, and go on from there:\n{so_far[-_QUOTED:]}"
    )


def join_without_overlap(first: str, second: str, *, structured: bool = False) -> str:
    """Join two pieces; what `second` repeats of the end of `first` is kept once.

    >>> join_without_overlap("We met on Monday and", "on Monday and talked.")
    'We met on Monday and talked.'
    """
    fenced = _fence_content(first, second)
    rest = _after_overlap(first, second)
    if rest is None and fenced is not None:
        rest = _after_overlap(first, fenced)
    if rest is None:
        rest = _after_preamble(first, second)
    if rest is None and fenced is not None and (structured or _reopens_fence(first, second)):
        rest = fenced
    return first + (second if rest is None else rest)


def _after_overlap(first: str, piece: str) -> str | None:
    """Return `piece` without its repetition of the end of `first`; None if it repeats nothing."""
    bare = piece.lstrip()
    beginnings = (piece, bare, bare.removeprefix("...").removeprefix("…").lstrip())
    # The requested quote. A longer match may be of similar rows that are meant to repeat.
    quote = first[-_QUOTED:]
    for begin in beginnings:
        if len(quote) >= _MIN_OVERLAP_IN_SENTENCE and begin.startswith(quote):
            return begin[len(quote) :]
    for begin in beginnings:
        for length in range(min(len(first), len(begin), _MAX_OVERLAP), _MIN_OVERLAP_IN_SENTENCE - 1, -1):
            if first.endswith(begin[:length]) and (length >= _MIN_OVERLAP or _ends_mid_sentence(begin[:length])):
                return begin[length:]
    return None


def _ends_mid_sentence(overlap: str) -> bool:
    return overlap[-1].isalpha() and " " in overlap.strip()


def _after_preamble(first: str, piece: str) -> str | None:
    """Return `piece` without an introduction and the repeated end of `first` after it; None if there is none."""
    tail = first[-_TAIL:]
    at = piece.find(tail, 0, _PREAMBLE + _QUOTED) if len(tail.strip()) >= _MIN_OVERLAP else -1
    if at < 0:
        return None
    past = at + len(tail)
    begin, before = at, first[-len(tail) - past : -len(tail)]
    while begin > 0 and before and piece[begin - 1] == before[-1]:
        begin, before = begin - 1, before[:-1]
    return piece[past:] if _END_OF_PREAMBLE.search(piece[:begin]) else None


def _fence_content(first: str, piece: str) -> str | None:
    """Return the content of the fence that the piece begins with, possibly after some words; None without a fence."""
    opened = _OPENED.match(piece)
    if opened is None or (opened["before"].strip() and not opened["kind"]):
        return None
    inside = piece[opened.end() :]
    # Its closing fence is removed too, unless it closes a fence in `first` or in the piece.
    closed = inside.rstrip()
    if closed.endswith("```") and not _is_in_fence(first) and _is_in_fence(inside):
        return closed.removesuffix("```").rstrip("\n")
    return inside


def _reopens_fence(first: str, piece: str) -> bool:
    """Return whether `first` broke off within a fence that the piece opens again; a bare ``` would close it."""
    opened = _OPENED.match(piece)
    return opened is not None and bool(opened["kind"]) and not opened["before"].strip() and _is_in_fence(first)


def _is_in_fence(text: str) -> bool:
    return len(_FENCES.findall(text)) % 2 == 1
