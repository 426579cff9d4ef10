"""Small media files."""

from __future__ import annotations

import io
import struct
import wave

import av
from av.container import OutputContainer
from PIL import Image


def wav(seconds: float, rate: int = 8000, channels: int = 1) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"\0\0" * channels * int(seconds * rate))
    return out.getvalue()


def wav_header(seconds: float, rate: int = 8000) -> bytes:
    """The head of a WAV file whose samples follow as `seconds * rate * 2` bytes."""
    size = int(seconds * rate) * 2
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + fmt + struct.pack("<4sI", b"data", size)


def aiff(seconds: float, rate: int = 8000) -> bytes:
    frames = int(seconds * rate)
    exponent = rate.bit_length() - 1
    comm = struct.pack(">hIhHQ", 1, frames, 16, 16_383 + exponent, rate << (63 - exponent))
    chunks = _iff(b"COMM", comm) + _iff(b"SSND", b"\0" * (8 + frames * 2))
    return b"FORM" + struct.pack(">I", len(chunks) + 4) + b"AIFF" + chunks


def _iff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content + b"\0" * (len(content) % 2)


def flac(seconds: float, rate: int = 16_000, channels: int = 2) -> bytes:
    return _recorded("flac", "flac", seconds, rate, channels)


def mp3(frames: int) -> bytes:
    """MPEG-1 layer III, 128 kbit/s, 44,100 Hz: 1,152 samples a frame."""
    tag = b"ID3\x04\x00\x00" + bytes((0, 0, 1, 0)) + b"\0" * 128
    return tag + (b"\xff\xfb\x90\x00" + b"\0" * 413) * frames


def aac(seconds: float) -> bytes:
    """ADTS, 16,000 Hz, mono."""
    return _recorded("adts", "aac", seconds, 16_000, 1)


def ogg_opus(seconds: float) -> bytes:
    return _recorded("ogg", "libopus", seconds, 48_000, 2)


def ogg_flac(seconds: float, rate: int = 22_050) -> bytes:
    return _recorded("ogg", "flac", seconds, rate, 1)


def mp4(seconds: float, width: int = 320, height: int = 240, *, video: bool = True) -> bytes:
    return _recorded("mp4" if video else "ipod", "aac", seconds, 44_100, 2, (width, height) if video else None)


def live_mp4(seconds: float) -> bytes:
    """In fragments, and without a length in its header."""
    return _recorded("mp4", "aac", seconds, 44_100, 2, options={"movflags": "empty_moov+frag_keyframe"})


def webm(seconds: float, width: int = 64, height: int = 48) -> bytes:
    return _recorded("webm", None, seconds, 0, 0, (width, height))


def live_webm(seconds: float) -> bytes:
    """As browsers record it: without a length, in clusters of unknown size."""
    return _recorded("webm", "libopus", seconds, 48_000, 1, options={"live": "1"})


def _recorded(
    container: str,
    sound: str | None,
    seconds: float,
    rate: int,
    channels: int,
    picture: tuple[int, int] | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Silence, and a black picture each second."""
    out, layout = io.BytesIO(), "mono" if channels == 1 else "stereo"
    with av.open(out, "w", format=container, options=options or {}) as made:
        film = None if picture is None else _film(made, "libvpx" if container == "webm" else "mpeg4", picture)
        track = None if sound is None else made.add_stream(sound, rate=rate, layout=layout)
        for second in range(int(seconds)):
            if film is not None:
                made.mux(film.encode(av.VideoFrame(film.width, film.height, "yuv420p")))
            if isinstance(track, av.AudioStream):
                frame = av.AudioFrame(format="s16", layout=layout, samples=rate)
                frame.planes[0].update(bytes(2 * rate * channels))
                frame.sample_rate, frame.pts = rate, second * rate
                made.mux(track.encode(frame))
        for stream in (film, track):
            match stream:
                case av.VideoStream() | av.AudioStream():
                    made.mux(stream.encode(None))
    return out.getvalue()


def _film(made: OutputContainer, codec: str, size: tuple[int, int]) -> av.VideoStream:
    film = made.add_stream(codec, rate=1)
    assert isinstance(film, av.VideoStream)
    film.width, film.height = size
    film.pix_fmt = "yuv420p"
    return film


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
