"""One WAV of several sounds."""

from __future__ import annotations

import io
import wave
from array import array

from shared.domain.outputs.sound import WavJoin, with_soft_edges

LOUD = array("h", [20_000] * 1_000).tobytes()


def test_the_header_says_how_much_follows() -> None:
    join = WavJoin(rate=24_000, sizes=(2_001, 2_000))
    whole = join.header() + LOUD + LOUD
    assert len(join.header()) == 44
    with wave.open(io.BytesIO(whole)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (24_000, 2_000)
        assert len(sound.readframes(3_000)) == 4_000


def test_a_sound_begins_and_ends_in_silence_and_is_as_loud_as_before_in_between() -> None:
    samples = array("h", with_soft_edges(LOUD, first=True, last=True, rate=24_000))
    assert (samples[0], samples[-1]) == (0, 0)
    assert samples[60] == samples[-61] == 10_000
    assert set(samples[120:-120]) == {20_000}
    assert with_soft_edges(LOUD, first=False, last=False, rate=24_000) == LOUD


def test_a_sound_that_is_shorter_than_its_edges_stays_within_bounds() -> None:
    short = array("h", [-32_768, 32_767, 5]).tobytes()
    assert len(with_soft_edges(short, first=True, last=True, rate=24_000)) == len(short)
    assert with_soft_edges(b"", first=True, last=True, rate=24_000) == b""
