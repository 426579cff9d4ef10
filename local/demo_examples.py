"""The demo's example of each recipe: a sample file and its custom metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from local.workers import ROOT
from shared.domain.recipe.book import BUILT_IN

SAMPLES = ROOT / "tests" / "samples"
DEFAULT_SAMPLES = ("speech.wav", "speech.flac", "report.pdf", "picture.png", "photo.jpg", "clip.mp4", "notes.txt")
"""What the demo drops without a recipe: each kind of file, asked by its default recipe."""

_REPORT = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "figures": {"type": "array", "items": {"type": "string"}}},
    "required": ["title"],
}


class Drop(NamedTuple):
    file: Path
    metadata: dict[str, str]


class Example(NamedTuple):
    sample: str
    metadata: Mapping[str, str] = {}
    beside: str | None = None
    """Another sample, which is dropped first and sent along."""


EXAMPLES: dict[str, Example] = {
    "transcribe": Example("speech.wav"),
    "transcribe-timed": Example("speech.wav"),
    "transcribe-words": Example("speech.wav"),
    "describe-audio": Example("speech.flac"),
    "segment": Example("speech.wav", {"dropsight-range": "00:02-00:05"}),
    "describe-image": Example("photo.jpg"),
    "caption": Example("photo.jpg"),
    "detect": Example("picture.png", {"find": "the coloured shapes"}),
    "segment-image": Example("picture.png", {"find": "the coloured shapes"}),
    "summarise": Example("report.pdf"),
    "transcribe-document": Example("report.pdf"),
    "transcribe-document-html": Example("report.pdf"),
    "describe-video": Example("clip.mp4"),
    "ask": Example("report.pdf", {"dropsight-prompt": "By how much did revenue grow, and why?"}),
    "extract": Example("report.pdf", {"dropsight-schema": json.dumps(_REPORT)}),
    "classify": Example("report.pdf"),
    "split-bundle": Example("report.pdf"),
    "compare": Example("report.pdf", beside="notes.txt"),
    "speak": Example("notes.txt", {"dropsight-voice": "Puck"}),
    "embed": Example("notes.txt"),
    "draw": Example("notes.txt", {"dropsight-aspect-ratio": "16:9"}),
}


def plan_drops(recipe: str | None, files: Sequence[Path], metadata: Mapping[str, str]) -> list[Drop]:
    """Return what to drop, in order. `metadata` overrides the example's.

    Raises ValueError for an unknown recipe without files.
    """
    if recipe is None:
        return [Drop(file, dict(metadata)) for file in files or [SAMPLES / name for name in DEFAULT_SAMPLES]]
    example = EXAMPLES.get(recipe)
    if example is None and not files:
        raise ValueError(
            f"no recipe is named {recipe!r}; there are {', '.join(built_in.name for built_in in BUILT_IN)}"
        )
    merged = {**(example.metadata if example else {}), **metadata, "dropsight-recipe": recipe}
    chosen = list(files) or [SAMPLES / example.sample] if example else list(files)
    if example is None or example.beside is None or "dropsight-with" in metadata:
        return [Drop(file, merged) for file in chosen]
    first, *others = chosen
    beside = others or [SAMPLES / example.beside]
    merged["dropsight-with"] = ", ".join(file.name for file in beside)
    return [*(Drop(file, {}) for file in beside), Drop(first, merged)]
