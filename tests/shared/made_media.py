"""Recordings and films in types that Gemini does not take, made when they are wanted: a tone, and moving stripes."""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from functools import cache

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

SECONDS = 3


def tone(rate: int, start: int, samples: int) -> bytes:
    """440 Hz in 16 bits, one channel."""
    period = _period(rate)
    first = 2 * start % len(period)
    return (period * (2 * samples // len(period) + 2))[first : first + 2 * samples]


@cache
def _period(rate: int) -> bytes:
    """Return the shortest stretch of the tone after which it begins anew."""
    samples = rate // math.gcd(rate, 440)
    return struct.pack(f"<{samples}h", *(int(9000 * math.sin(2 * math.pi * 440 * at / rate)) for at in range(samples)))


def recording(
    container: str, codec: str, *, rate: int = 16_000, seconds: int = SECONDS, gap: float = 0, offset: float = 0
) -> bytes:
    """A tone in this container and codec. It begins `offset` seconds late; after a second `gap` seconds are missing."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as made:
        stream = made.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, AudioStream)
        if codec.startswith("libopencore"):
            stream.bit_rate = 12_200
        _write_sound(made, stream, rate, seconds, gap, offset)
    return out.getvalue()


def _write_sound(
    made: av.container.OutputContainer, stream: AudioStream, rate: int, seconds: int, gap: float, offset: float
) -> None:
    piece = rate // 10
    for number in range(seconds * 10):
        frame = av.AudioFrame(format="s16", layout="mono", samples=piece)
        frame.planes[0].update(tone(rate, number * piece, piece))
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = round(number * piece + offset * rate + (gap * rate if number >= 10 else 0))
        made.mux(stream.encode(frame))
    made.mux(stream.encode(None))


def film(
    container: str,
    codec: str,
    sound: str | None = None,
    *,
    size: tuple[int, int] = (160, 120),
    pixels: str = "yuv420p",
    seconds: int = SECONDS,
    rate: int = 10,
) -> bytes:
    """Moving stripes, `rate` pictures a second, with a tone if `sound` names a codec."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as made:
        pictures = made.add_stream(codec, rate=rate)
        assert isinstance(pictures, VideoStream)
        pictures.width, pictures.height, pictures.pix_fmt = *size, pixels
        heard = made.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for number in range(seconds * rate):
            frame = av.VideoFrame(*size, "gray")
            plane = frame.planes[0]
            plane.update(bytes((at + number * 8) % 256 for at in range(plane.line_size)) * size[1])
            ready = frame.reformat(format=pixels)
            ready.pts, ready.time_base = number, Fraction(1, rate)
            made.mux(pictures.encode(ready))
        made.mux(pictures.encode(None))
        if isinstance(heard, AudioStream):
            _write_sound(made, heard, 48_000, seconds, 0, 0)
    return out.getvalue()


def sequence() -> bytes:
    """A sequence of HEIC images: H.265 pictures in a file of that brand."""
    data = film("mp4", "libx265", seconds=1)
    return data[:8] + b"hevc" + data[12:]
