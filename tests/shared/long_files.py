"""Long files for tests, made in memory: PDFs whose pages name themselves, recordings in which each second sounds."""

from __future__ import annotations

import array
import io
import math
import random
from itertools import pairwise

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

RATE = 16_000
_LOWEST, _STEP = 300, 20
"""Hertz: of second 0, and by how much each second is higher."""
_TONES = 120


def numbered_pdf(pages: int, *, page_bytes: int = 0) -> bytes:
    """Return a PDF whose page N says "Page N of …"; each page also has a picture of `page_bytes`."""
    made = bytearray(b"%PDF-1.7\n")
    offsets: list[int] = []

    def add(content: bytes) -> int:
        offsets.append(len(made))
        made.extend(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), content))
        return len(offsets)

    def stream(dictionary: bytes, data: bytes) -> bytes:
        return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (dictionary, len(data), data)

    each = 3 if page_bytes else 2
    kids = b" ".join(b"%d 0 R" % (3 + each * number + each) for number in range(pages))
    add(b"<</Type/Catalog/Pages 2 0 R>>")
    add(b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids))
    add(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    picture = b"/Type/XObject/Subtype/Image/Width 16/Height 16/ColorSpace/DeviceGray/BitsPerComponent 8"
    for number in range(1, pages + 1):
        words = b"BT /F1 24 Tf 72 720 Td (Page %d of %d) Tj ET" % (number, pages)
        images = b""
        if page_bytes:
            data = random.Random(number).randbytes(page_bytes)
            images = b"/XObject<</Im %d 0 R>>" % add(stream(picture, data))
        text = add(stream(b"", words))
        resources = b"<</Font<</F1 3 0 R>>%s>>" % images
        add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources%s/Contents %d 0 R>>" % (resources, text))
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(offsets) + 1)
    for offset in offsets:
        made += b"%010d 00000 n \n" % offset
    made += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, start)
    return bytes(made)


def numbered_recording(
    seconds: float, container: str, codec: str, *, silent: tuple[tuple[float, float], ...] = ()
) -> bytes:
    """Return a recording in which second N has the tone N of `tone_at`, and nothing is heard in `silent` stretches."""
    made = io.BytesIO()
    with av.open(made, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000 if codec == "libopus" else RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        (form, *_) = (each.name for each in stream.codec_context.codec.audio_formats or ())
        rate, size = stream.rate, stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(format=form, layout="mono", rate=rate, frame_size=size)
        position = 0
        for second in range(math.ceil(seconds)):
            length = round(min(1.0, seconds - second) * rate)
            samples = _samples(second, length, rate, silent)
            frame = AudioFrame("s16", "mono", length)
            frame.sample_rate, frame.pts = rate, position
            frame.planes[0].update(samples.tobytes())
            position += length
            for ready in resampler.resample(frame):
                output.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            output.mux(stream.encode(ready))
        output.mux(stream.encode(None))
    return made.getvalue()


def _samples(second: int, length: int, rate: int, silent: tuple[tuple[float, float], ...]) -> array.array[int]:
    pitch = 2 * math.pi * tone_at(second) / rate
    samples = array.array("h", (round(9000 * math.sin(pitch * at)) for at in range(length)))
    for start, end in silent:
        first, last = (max(0, min(length, round((moment - second) * rate))) for moment in (start, end))
        samples[first:last] = array.array("h", bytes(2 * (last - first)))
    return samples


def tone_at(second: int) -> int:
    """Return the pitch of a second in hertz; the tones begin anew every two minutes."""
    return _LOWEST + _STEP * (second % _TONES)


def tones_of(data: bytes, *, middle: float = 0.5) -> list[int | None]:
    """Return the number of the tone of each second of a recording, None for a silent one, as far as it is whole."""
    samples = array.array("h")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(audio=0):
            for ready in resampler.resample(frame):
                samples.extend(array.array("h", bytes(ready.planes[0])[: 2 * ready.samples]))
    heard = []
    for second in range(len(samples) // RATE):
        begin = second * RATE + round((middle - 0.2) * RATE)
        heard.append(_tone(samples[begin : begin + round(0.4 * RATE)]))
    return heard


def _tone(samples: array.array[int]) -> int | None:
    if max(samples) < 1000:
        return None
    crossings = sum(before < 0 <= after for before, after in pairwise(samples))
    return round((crossings / (len(samples) / RATE) - _LOWEST) / _STEP)


def film(seconds: int) -> bytes:
    """Return a silent MP4 of one grey picture a second."""
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=1)
        assert isinstance(stream, VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for second in range(seconds):
            frame = VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([second % 200]) * plane.buffer_size)
            frame.pts = second
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return made.getvalue()
