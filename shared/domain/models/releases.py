"""Read generation, variation and stage from a model's name, by the patterns of the guide "Models"."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Stage = Literal["stable", "preview", "latest", "experimental"]
"""Guide "Models", version name patterns."""

GOOGLE_NAME = re.compile(r"(?:gemini|gemma|learnlm)-[a-z0-9.-]*[a-z0-9]")
"""What the names of the models of the Gemini API look like."""
# The look-ahead bounds the length, because callers may send any name and the pattern backtracks.
_NAME = r"gemini-(?!.{122})(?P<generation>\d+(?:\.\d+)?)-(?P<variation>[a-z]+(?:-[a-z0-9]+)*?)"
_DATED = r"(?P<date>-\d{2}-\d{2,4}|-\d{3,4})"
_PATTERN = re.compile(
    rf"{_NAME}(?P<suffix>-\d{{3}}|-preview{_DATED}?(?P<kind>-[a-z-]+)?|-latest|-exp(?:-[a-z0-9-]+)?)?"
)
_STAGES: tuple[tuple[str, Stage], ...] = (
    ("-latest", "latest"),
    ("-preview", "preview"),
    ("-exp", "experimental"),
    ("-", "stable"),
)


class Release(NamedTuple):
    """The parts of a model's name."""

    generation: float
    variation: str
    stage: Stage


def release(name: str) -> Release:
    """Return the parts of a name. If it follows no pattern, the generation is 0 and the variation empty."""
    match = _PATTERN.fullmatch(name)
    if match is None:
        return Release(0.0, "", "stable")
    stage = next(stage for start, stage in _STAGES if (match["suffix"] or "-").startswith(start))
    return Release(float(match["generation"]), match["variation"] + (match["kind"] or ""), stage)


def readings(name: str) -> list[tuple[str, Stage]]:
    """Return the names of known models that `name` may be a version of, the closest first, each with its stage."""
    match = _PATTERN.fullmatch(name)
    if match is None or match["suffix"] is None:
        return [(name, "stable")]
    suffix, stage = match["suffix"], release(name).stage
    base = name.removesuffix(suffix)
    undated = [f"{base}-preview"] if stage == "preview" else [f"{base}-exp"] if stage == "experimental" else []
    return [(candidate, stage) for candidate in (name, *undated, base)]
