"""Small media files: headers byte by byte where that will do, else written by FFmpeg's encoders."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from PIL import Image


def wav(seconds: float, rate: int = 8000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * channels * int(seconds * rate))
    return out.getvalue()


def aiff(seconds: float, rate: int = 8000) -> bytes:
    frames = int(seconds * rate)
    exponent = rate.bit_length() - 1
    comm = struct.pack(">hIhHQ", 1, frames, 16, 16_383 + exponent, rate << (63 - exponent))
    chunks = _iff(b"COMM", comm) + _iff(b"SSND", b"\0" * (8 + frames * 2))
    return b"FORM" + struct.pack(">I", len(chunks) + 4) + b"AIFF" + chunks


def _iff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


def flac(seconds: float, rate: int = 16_000, channels: int = 2) -> bytes:
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | int(seconds * rate)
    info = struct.pack(">HH", 4096, 4096) + b"\0" * 6 + packed.to_bytes(8, "big") + b"\0" * 16
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info


def mp3(frames: int) -> bytes:
    """MPEG-1 layer III, 128 kbit/s, 44,100 Hz: 1,152 samples a frame."""
    tag = b"ID3\x04\x00\x00" + bytes((0, 0, 1, 0)) + b"\0" * 128
    return tag + (b"\xff\xfb\x90\x00" + b"\0" * 413) * frames


def aac(frames: int) -> bytes:
    """ADTS, 16,000 Hz, mono: 1,024 samples a frame."""
    return encoded("adts", sound="aac", seconds=(frames - 1) * 1024 / 16_000, rate=16_000)


def ogg_opus(seconds: float) -> bytes:
    return encoded("ogg", sound="libopus", seconds=seconds, rate=48_000)


def mp4(seconds: float, width: int = 320, height: int = 240, *, video: bool = True, sound: bool = True) -> bytes:
    film = (width, height) if video else None
    return encoded("mp4", sound="aac" if sound else None, film="mpeg4", size=film, seconds=seconds, rate=44_100)


def webm(seconds: float, width: int = 64, height: int = 48) -> bytes:
    return encoded("webm", film="libvpx", size=(width, height), seconds=seconds)


def live_webm(seconds: float) -> bytes:
    """As a browser records it: no length anywhere."""
    return encoded("webm", sound="libopus", seconds=seconds, rate=48_000, options={"live": "1"})


def fragmented_mp4(seconds: float) -> bytes:
    """As it is sent live: the length lies in the fragments only."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    return encoded("mp4", sound="aac", seconds=seconds, rate=44_100, options=options)


def encoded(
    container: str,
    *,
    seconds: float,
    sound: str | None = None,
    rate: int = 0,
    film: str = "",
    size: tuple[int, int] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Silence in mono and a black film of one picture a second, as FFmpeg's encoders write them."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, container_options=options or {}) as file:
        streams: list[tuple[Any, Iterator[Any]]] = []
        if sound is not None:
            track = file.add_stream(sound, rate=rate, layout="mono")
            assert isinstance(track, av.AudioStream)
            streams.append((track, _silence(track.format.name, rate, seconds)))
        if size is not None:
            shown = file.add_stream(film, rate=1, width=size[0], height=size[1], pix_fmt="yuv420p")
            streams.append((shown, _black(size, round(seconds))))
        for stream, frames in streams:
            for frame in frames:
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return out.getvalue()


def _silence(format_name: str, rate: int, seconds: float) -> Iterator[av.AudioFrame]:
    left, at = round(seconds * rate), 0
    while left > 0:
        samples = min(left, 960)
        frame = av.AudioFrame(format=format_name, layout="mono", samples=samples)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        yield frame
        left, at = left - samples, at + samples


def _black(size: tuple[int, int], pictures: int) -> Iterator[av.VideoFrame]:
    for number in range(pictures):
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, 1)
        yield frame


def png(width: int = 320, height: int = 200, colour: tuple[int, int, int] = (220, 30, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def jpeg(width: int = 320, height: int = 200) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (40, 70, 210)).save(out, "JPEG")
    return out.getvalue()


def pdf(*pages: str) -> bytes:
    """A page for each text."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        drawn = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
        objects.append((page + "/Resources << /Font << /F1 3 0 R >> >> >>").encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + table + end
