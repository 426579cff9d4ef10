"""Recordings that are too large to be read whole are measured in places; what they cost is bounded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.media import check, media_type
from tests.shared.examiner_bench import Bench, Counted, Sparse, bench
from tests.shared.large_recordings import SECONDS, recording

pytestmark = pytest.mark.long

UGLY = Path(__file__).parents[1] / "samples" / "ugly"
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def examiner() -> Iterator[Bench]:
    with bench() as made:
        yield made


@pytest.mark.parametrize(
    ("mime", "container", "codec", "options"),
    [
        ("audio/mp3", "mp3", "libmp3lame", {}),
        ("audio/aac", "adts", "aac", {}),
        ("audio/flac", "flac", "flac", {}),
        ("audio/ogg", "ogg", "libopus", {}),
        ("audio/webm", "webm", "libopus", {"live": "1"}),
        ("audio/mp4", "mp4", "aac", {"movflags": "empty_moov+default_base_moof", "frag_duration": "1000000"}),
        ("video/mpeg", "vob", "mp2", {}),
        ("audio/wav", "wav", "pcm_s16le", {}),
    ],
)
def test_a_live_recording_that_is_not_read_whole_is_as_long_as_it_is(
    examiner: Bench, mime: str, container: str, codec: str, options: dict[str, str]
) -> None:
    facts = examiner.examine(recording(container, codec, options=options), media_type(mime), whole_bytes=0)
    check(facts)
    assert facts.duration == pytest.approx(SECONDS, rel=0.01)
    assert not [warning for warning in facts.warnings if "long" in warning]


@pytest.mark.parametrize(
    ("mime", "container", "codec"), [("audio/flac", "flac", "flac"), ("audio/aiff", "aiff", "pcm_s16be")]
)
def test_a_recording_that_is_not_read_whole_and_was_cut_is_found_to_be_truncated(
    examiner: Bench, mime: str, container: str, codec: str
) -> None:
    whole = recording(container, codec, live=False)
    assert examiner.examine(whole, media_type(mime), whole_bytes=0).duration == pytest.approx(SECONDS)

    facts = examiner.examine(whole[: len(whole) // 2], media_type(mime), whole_bytes=0)

    assert facts.problem is not None
    assert "truncated" in facts.problem


def test_a_chained_ogg_file_that_is_not_read_whole_is_summed(examiner: Bench) -> None:
    links = (UGLY / "chained.opus").read_bytes()
    count = 3 * MEGABYTE // len(links)
    facts = examiner.examine(links * count, media_type("audio/ogg"), whole_bytes=0)
    assert facts.duration == pytest.approx(3.02 * count, rel=0.05)


def test_a_recording_of_two_gigabytes_is_measured_by_its_header_alone(examiner: Bench) -> None:
    seconds, rate = 9 * 3600, 16_000
    size = seconds * rate * 2
    layout = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt \x10\0\0\0" + layout + b"data" + struct.pack("<I", size)
    source = Sparse(head, 44 + size)

    facts = examiner.examine(source, media_type("audio/wav"))

    assert facts.duration == seconds
    check(facts)
    assert sum(source.reads) <= 8 * MEGABYTE


@pytest.mark.parametrize(
    ("mime", "name"),
    [
        ("audio/mp3", "no-tag.mp3"),
        ("audio/aac", "speech.aac"),
        ("audio/aiff", "speech.aiff"),
        ("audio/flac", "nine-hours.flac"),
        ("audio/ogg", "speech.opus"),
        ("audio/wav", "8-bit.wav"),
        ("audio/webm", "speech.webm"),
        ("video/avi", "clip.avi"),
        ("video/mp4", "fragmented.mp4"),
        ("video/mpeg", "clip.mpg"),
        ("video/wmv", "clip.wmv"),
        ("video/x-flv", "clip.flv"),
    ],
)
def test_two_gigabytes_of_nothing_behind_a_recording_cost_few_reads(examiner: Bench, mime: str, name: str) -> None:
    source = Sparse((UGLY / name).read_bytes(), 2 << 30)

    facts = examiner.examine(source, media_type(mime))

    assert "too long" not in (facts.problem or "")
    assert len(source.reads) <= 96
    assert sum(source.reads) <= 64 * MEGABYTE


def live_film(fragments: int) -> bytes:
    """The fragment of a real film, repeated at later times, as live encoders write it for hours."""
    film = (UGLY / "fragmented.mp4").read_bytes()
    first = film.index(b"moof") - 4
    end = film.rindex(b"mfra") - 4
    out = bytearray(film[:first])
    for number in range(fragments):
        fragment = bytearray(film[first:end])
        at = fragment.find(b"tfdt")
        while at >= 0:
            scale = 10_240 if fragment.count(b"tfdt", 0, at) == 0 else 44_100
            fragment[at + 8 : at + 16] = struct.pack(">Q", number * scale)
            at = fragment.find(b"tfdt", at + 1)
        out += fragment
    return bytes(out)


def test_a_live_film_of_a_thousand_fragments_is_measured_by_its_last_one(examiner: Bench) -> None:
    source = Counted(live_film(1000))
    facts = examiner.examine(source, media_type("video/mp4"), whole_bytes=0)
    assert facts.problem is None
    assert facts.duration == pytest.approx(999 + 1.22, abs=0.2)
    assert sum(source.reads) <= 8 * MEGABYTE


def test_a_live_film_that_was_cut_is_found_to_be_truncated(examiner: Bench) -> None:
    facts = examiner.examine(live_film(1000)[:-100], media_type("video/mp4"))
    assert facts.problem is not None
    assert "truncated" in facts.problem
