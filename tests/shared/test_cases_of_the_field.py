"""Files that failed in the field, where they are at hand: beside the project, or where DROPSIGHT_CASES says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.shared.examiner_bench import Bench, bench


class Case(NamedTuple):
    mime: str
    duration: float | None = None
    pages: int | None = None
    warns: str = ""
    """What a warning must say; empty: there is none."""
    refused: str = ""
    """What the refusal must say; empty: it is taken."""


CASES = {
    "byte-rate-zero.wav": Case("audio/wav", 4),
    "chained.opus": Case("audio/ogg", 11),
    "declares-encrypt-word.pdf": Case("application/pdf", pages=3, warns="was repaired"),
    "fmt-after-data.wav": Case("audio/wav", 4),
    "frag-live.mp4": Case("audio/mp4", 20),
    "id3v1-tail.m4a": Case("audio/mp4", 6),
    "id3v2-3mb-cover.mp3": Case("audio/mp3", 4),
    "id3v2-cover.flac": Case("audio/flac", 5),
    "id3v2-cover.mp3": Case("audio/mp3", 4),
    "joined.mp3": Case("audio/mp3", 13),
    "junk-after-eof.pdf": Case("application/pdf", pages=3, warns="does not belong to it"),
    "linear.pdf": Case("application/pdf", pages=3),
    "live-200s.webm": Case("audio/webm", 200),
    "live-one-cluster-1500-blocks.webm": Case("audio/webm", 30),
    "live-one-cluster-25s.webm": Case("audio/webm", 25),
    "missing-eof-only.pdf": Case("application/pdf", pages=3, warns="%%EOF"),
    "objstm-direct-length.pdf": Case("application/pdf", pages=3),
    "objstm-indirect-length.pdf": Case("application/pdf", pages=3),
    "objstm.pdf": Case("application/pdf", pages=3),
    "odd-list-no-pad.wav": Case("audio/wav", 4),
    "odd-list-pad.wav": Case("audio/wav", 4),
    "owner-only-r4-aes.pdf": Case("application/pdf", pages=3),
    "owner-only-r4.pdf": Case("application/pdf", pages=3),
    "owner-only-r6-aes.pdf": Case("application/pdf", pages=3),
    "plain.flac": Case("audio/flac", 5),
    "plain.m4a": Case("audio/mp4", 6),
    "plain.opus": Case("audio/ogg", 12),
    "radio-capture-12h.opus": Case("audio/ogg", 12),
    "stale-xing-cut.mp3": Case("audio/mp3", 4.5, warns="seems to have been cut"),
    "user-r6.pdf": Case("application/pdf", refused="is encrypted"),
    "wave-in-id3.wav": Case("audio/wav", 4),
    "zero-size-alnum-samples.wav": Case("audio/wav", 4.1),
    "zero-size-silence-first.wav": Case("audio/wav", 4.06),
}
ROOT = Path(__file__).parents[2]
PLACES = [Path(os.environ.get("DROPSIGHT_CASES", ROOT.parent / "shared" / "cases"))]
THERE = sorted(file for place in PLACES if place.is_dir() for file in place.iterdir() if file.name in CASES)


@pytest.fixture(scope="module")
def examiner() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.parametrize("file", THERE, ids=lambda file: file.name)
def test_a_file_of_the_field_ends_as_it_should(examiner: Bench, file: Path) -> None:
    case = CASES[file.name]
    facts, refusal = examiner.judge(file.read_bytes(), file.name)
    if case.refused:
        assert refusal is not None
        assert case.refused in refusal.message
        return
    assert refusal is None, refusal
    assert facts is not None
    assert facts.media_type.mime == case.mime
    assert facts.pages == case.pages
    assert facts.duration == (None if case.duration is None else pytest.approx(case.duration, abs=0.12))
    warnings = [warning for warning in facts.warnings if "closed properly" not in warning]
    assert (case.warns in " ".join(warnings)) if case.warns else not warnings
