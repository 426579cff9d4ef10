"""Going on with an answer that ended at the model's limit, and putting its pieces together."""

from __future__ import annotations

_QUOTED = 120
"""Characters of the end that the model is told to begin with, so that the seam can be found."""
_LEAST_OVERLAP = 8
"""Shorter agreement may be chance: "the" before "then" is no overlap."""
_MOST_OVERLAP = 4000


def continuation_prompt(so_far: str, *, structured: bool = False) -> str:
    kind = " It is one JSON document: send the rest of its text only, without a fence around it." if structured else ""
    return (
        "Your answer was cut off at the length limit. Go on exactly where it stopped, to its end, without an "
        f"introduction and without beginning anew.{kind} Start with these last words of it, character for "
        f"character, and go on from there:\n{so_far[-_QUOTED:]}"
    )


def join_without_overlap(first: str, second: str) -> str:
    """`second` put behind `first`; what it repeats of the end of `first` stands once.

    >>> join_without_overlap("We met on Monday and", "on Monday and talked.")
    'We met on Monday and talked.'
    """
    bare = second.lstrip()
    for begin in (second, bare, bare.removeprefix("...").removeprefix("…").lstrip()):
        for length in range(min(len(first), len(begin), _MOST_OVERLAP), _LEAST_OVERLAP - 1, -1):
            if first.endswith(begin[:length]):
                return first + begin[length:]
    return first + second
