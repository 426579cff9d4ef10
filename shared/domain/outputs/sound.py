"""Join the samples of several sounds into one WAV. Any range of its bytes can be made separately."""

from __future__ import annotations

import io
import sys
import wave
from array import array
from typing import NamedTuple

_BYTES = 2
"""Bytes of a sample: 16 bits, one channel."""
_FADE_SECONDS = 0.005
"""Too short to be heard, and long enough that the seam of two parts does not click."""


class WavJoin(NamedTuple):
    """The sounds that are joined: samples a second, and the bytes of each."""

    rate: int
    sizes: tuple[int, ...]

    @staticmethod
    def even(size: int) -> int:
        """Return a size without half a sample at its end."""
        return size - size % _BYTES

    def header(self) -> bytes:
        """Return the WAV header, which comes before the samples."""
        out = io.BytesIO()
        samples = sum(map(self.even, self.sizes)) // _BYTES
        with wave.open(out, "wb") as sound:
            sound.setparams((1, _BYTES, self.rate, samples, "NONE", ""))
            sound.writeframesraw(b"")
            # Before it is closed, for no samples were written to it.
            return out.getvalue()


def with_soft_edges(samples: bytes, *, first: bool, last: bool, rate: int) -> bytes:
    """Return samples faded in if they are a sound's first, and faded out if they are its last."""
    if not (first or last):
        return samples
    values = array("h", samples)
    if sys.byteorder == "big":
        values.byteswap()
    length = min(int(rate * _FADE_SECONDS), len(values))
    for step in range(length):
        if first:
            values[step] = values[step] * step // length
        if last:
            values[-1 - step] = values[-1 - step] * step // length
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
