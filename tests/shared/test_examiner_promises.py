"""What headers and indexes promise is held against what is there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from shared.domain.media import Facts
from tests.shared.examiner_bench import Bench, bench
from tests.shared.made_media import film, recording
from tests.shared.made_rare_media import musepack, tak

SAMPLES = Path(__file__).parents[1] / "samples" / "ugly"


@pytest.fixture(scope="module")
def examiner() -> Iterator[Bench]:
    with bench() as made:
        yield made


def judged(examiner: Bench, data: bytes, name: str) -> Facts:
    facts, refusal = examiner.judge(data, name)
    assert refusal is None
    assert facts is not None
    return facts


def trimmed(data: bytes, start: float, seconds: float) -> bytes:
    """A film in MP4 whose edit list shows only this part of it: what comes before stays in the file."""
    made = bytearray(data)
    edits, of_film, of_media = (data.index(name) + 4 for name in (b"elst", b"mvhd", b"mdhd"))
    (per_second,), (ticks,) = (struct.unpack_from(">I", data, at + 12) for at in (of_film, of_media))
    struct.pack_into(">III", made, edits + 4, 1, int(seconds * per_second), int(start * ticks))
    return bytes(made)


def without_half_of_its_sound(data: bytes) -> bytes:
    """A recording in MP4 whose index promises twice the bytes of its “mdat”, all of whose boxes are whole."""
    start, index = data.index(b"mdat") - 4, data.index(b"moov") - 4
    kept = data[start + 8 : (start + index) // 2]
    return data[:start] + struct.pack(">I", 8 + len(kept)) + b"mdat" + kept + data[index:]


def test_a_film_lasts_as_long_as_its_edit_list_shows_of_it(examiner: Bench) -> None:
    facts = judged(examiner, trimmed(film("mp4", "mpeg4", seconds=8), 6.0, 1.5), "clip.mp4")
    assert facts.duration == pytest.approx(1.5, abs=0.2)
    assert facts.warnings == ()


def first_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("make", "name", "seconds", "cut"),
    [
        (partial(recording, "mp4", "alac", seconds=8), "talk.m4a", 8, without_half_of_its_sound),
        (partial(recording, "tta", "tta", seconds=30), "talk.tta", 30, first_half),
        (partial(recording, "wv", "wavpack", seconds=60), "talk.wv", 60, first_half),
        (partial(musepack, 60), "talk.mpc", 60 * 1152 / 44_100, first_half),
        (partial(tak, 60), "talk.tak", 60 * 1024 / 8000, first_half),
    ],
)
def test_a_recording_shorter_than_promised_is_taken_with_its_true_length_and_a_warning(
    examiner: Bench, make: Callable[[], bytes], name: str, seconds: float, cut: Callable[[bytes], bytes]
) -> None:
    data = make()
    assert judged(examiner, data, name).warnings == ()

    facts = judged(examiner, cut(data), name)

    assert facts.duration == pytest.approx(seconds / 2, rel=0.15)
    assert f"index promises {seconds:.0f} s" in " ".join(facts.warnings)


def test_a_musepack_recording_ends_within_its_last_packet(examiner: Bench) -> None:
    facts = judged(examiner, musepack(20, samples=18_000), "talk.mpc")
    assert facts.duration == pytest.approx(18_000 / 44_100)
    assert facts.warnings == ()


def test_the_last_packet_of_windows_media_counts_where_it_does_not_say_how_long_it_lasts(examiner: Bench) -> None:
    plain, professional = (struct.pack("<HH", number, 1) for number in (0x161, 0x162))
    made = (SAMPLES / "speech.wma").read_bytes()
    assert plain in made
    assert judged(examiner, made.replace(plain, professional), "talk.wma").duration == pytest.approx(1.024)
