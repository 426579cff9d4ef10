"""Recordings of a few megabytes, made when they are wanted: noise, which no codec makes small."""

from __future__ import annotations

import io
import random
from collections.abc import Mapping
from types import MappingProxyType

import av

SECONDS = 60
_RATE = 48_000


class Pipe(io.RawIOBase):
    """Takes what is written to it and cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.data += piece
        return len(piece)


def recording(
    container: str, codec: str, *, live: bool = True, options: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Two channels of noise, with `options` for the container; `live`: written without going back to its header."""
    out = Pipe() if live else io.BytesIO()
    noise = random.Random(7).randbytes(_RATE * 4)
    with av.open(out, "w", format=container, options=dict(options)) as made:
        stream = made.add_stream(codec, rate=_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 320_000
        for second in range(SECONDS):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=_RATE)
            frame.planes[0].update(noise)
            frame.sample_rate, frame.pts = _RATE, second * _RATE
            for packet in stream.encode(frame):
                made.mux(packet)
        for packet in stream.encode(None):
            made.mux(packet)
    return bytes(out.data) if isinstance(out, Pipe) else out.getvalue()
