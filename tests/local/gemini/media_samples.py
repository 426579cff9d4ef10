"""Small media files, made byte by byte: nothing here needs an encoder."""

from __future__ import annotations

import io
import struct
import wave

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
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | int(seconds * rate)
    info = struct.pack(">HH", 4096, 4096) + b"\0" * 6 + packed.to_bytes(8, "big") + b"\0" * 16
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info


def mp3(frames: int) -> bytes:
    """MPEG-1 layer III, 128 kbit/s, 44,100 Hz: 1,152 samples a frame."""
    tag = b"ID3\x04\x00\x00" + bytes((0, 0, 1, 0)) + b"\0" * 128
    return tag + (b"\xff\xfb\x90\x00" + b"\0" * 413) * frames


def aac(frames: int) -> bytes:
    """ADTS, 16,000 Hz, mono: 1,024 samples a frame of 100 bytes."""
    header = bytes((0xFF, 0xF1, 8 << 2, 1 << 6, 100 >> 3, (100 & 7) << 5 | 0x1F, 0xFC))
    return (header + b"\0" * 93) * frames


def ogg_opus(seconds: float) -> bytes:
    head = b"OpusHead\x01\x02" + struct.pack("<HIhB", 312, 48_000, 0, 0)
    return _ogg_page(0, head) + _ogg_page(int(seconds * 48_000) + 312, b"\0" * 20)


def ogg_vorbis(seconds: float, rate: int = 22_050) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIIIIB", 0, 1, rate, 0, 0, 0, 0)
    return _ogg_page(0, head) + _ogg_page(int(seconds * rate), b"\0" * 20)


def _ogg_page(samples: int, packet: bytes) -> bytes:
    return struct.pack("<4sBBqIIIBB", b"OggS", 0, 0, samples, 1, 0, 0, 1, len(packet)) + packet


def mp4(seconds: float, width: int = 320, height: int = 240, *, video: bool = True, sound: bool = True) -> bytes:
    tracks = b""
    if video:
        tkhd = _box(b"tkhd", b"\0" * 76 + struct.pack(">II", width << 16, height << 16))
        tracks += _box(b"trak", tkhd + _media(b"vide", seconds, b""))
    if sound:
        entry = _box(b"mp4a", b"\0" * 16 + struct.pack(">HHHHI", 2, 16, 0, 0, 44_100 << 16))
        stsd = _box(b"stsd", struct.pack(">II", 0, 1) + entry)
        tracks += _box(b"trak", _box(b"tkhd", b"\0" * 84) + _media(b"soun", seconds, stsd))
    mvhd = _box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, int(seconds * 1000)) + b"\0" * 80)
    brand = b"isom" if video else b"M4A "
    return _box(b"ftyp", brand + b"\0" * 4) + _box(b"mdat", b"\0" * 64) + _box(b"moov", mvhd + tracks)


def _media(handler: bytes, seconds: float, stsd: bytes) -> bytes:
    mdhd = _box(b"mdhd", struct.pack(">IIIII", 0, 0, 0, 1000, int(seconds * 1000)) + b"\0" * 4)
    hdlr = _box(b"hdlr", b"\0" * 8 + handler + b"\0" * 12)
    return _box(b"mdia", mdhd + hdlr + _box(b"minf", _box(b"stbl", stsd)))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def webm(seconds: float, width: int = 64, height: int = 48) -> bytes:
    video = _element(0xE0, _element(0xB0, width.to_bytes(2, "big")) + _element(0xBA, height.to_bytes(2, "big")))
    tracks = _element(0x1654AE6B, _element(0xAE, _element(0x83, b"\x01") + video))
    info = _element(0x1549A966, _element(0x4489, struct.pack(">d", seconds * 1000)))
    return _element(0x1A45DFA3, _element(0x4282, b"webm")) + _element(0x18538067, info + tracks)


def _element(name: int, content: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(content) | 0x4000).to_bytes(2, "big") + content


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
