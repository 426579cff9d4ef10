"""MP4, M4A, QuickTime and 3GP: the boxes of `moov`, wherever it lies; the media data is never read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from functions.local.gemini.media import Finding, Undecodable

_MOOV_BYTES = 64 << 20
_BRANDS = {b"qt  ": "QuickTime", b"M4A ": "M4A", b"M4B ": "M4A"}


def probe_mp4(content: BinaryIO, size: int) -> Finding:
    position, brand, moov = 0, b"", b""
    while position + 8 <= size and not moov:
        content.seek(position)
        head = content.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        inner = 8
        if length == 1 and len(head) == 16:
            length, inner = struct.unpack(">Q", head[8:])[0], 16
        elif length == 0:
            length = size - position
        if length < inner or (not brand and not moov and not name.isascii()):
            raise Undecodable("The file's boxes are broken.")
        content.seek(position + inner)
        if name == b"ftyp":
            brand = content.read(4)
        elif name == b"moov":
            moov = content.read(min(length - inner, _MOOV_BYTES))
        position += length
    if not moov:
        raise Undecodable("The file has no moov box: it is cut off, or is no MP4.")
    return _movie(moov, "3GP" if brand.startswith(b"3gp") else _BRANDS.get(brand, "MP4"))


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        if length < 8:
            return
        yield name, data[position + 8 : position + length]
        position += length


def _movie(moov: bytes, container: str) -> Finding:
    finding = Finding(container=container, duration=0.0, has_audio=False)
    for name, box in _boxes(moov):
        if name == b"mvhd":
            finding["duration"] = _seconds(box)
        elif name == b"trak":
            _track(box, finding)
    return finding


def _track(trak: bytes, finding: Finding) -> None:
    tkhd, mdia = (dict(_boxes(trak)).get(name, b"") for name in (b"tkhd", b"mdia"))
    boxes = dict(_boxes(mdia))
    handler = boxes.get(b"hdlr", b"")[8:12]
    finding["duration"] = max(finding["duration"], _seconds(boxes.get(b"mdhd", b"")))
    if handler == b"vide" and len(tkhd) >= 8:
        width, height = struct.unpack(">II", tkhd[-8:])
        finding["width"], finding["height"] = width >> 16, height >> 16
    elif handler == b"soun":
        finding["has_audio"] = True
        tables = dict(_boxes(dict(_boxes(boxes.get(b"minf", b""))).get(b"stbl", b"")))
        entry = tables.get(b"stsd", b"")[8:]
        if len(entry) >= 36:
            finding["channels"] = struct.unpack(">H", entry[24:26])[0]
            finding["sample_rate"] = struct.unpack(">I", entry[32:36])[0] >> 16


def _seconds(header: bytes) -> float:
    """Of an `mvhd` or `mdhd` box, version 0 or 1."""
    if len(header) < 20:
        return 0.0
    if header[0] == 1:
        scale, length = struct.unpack(">IQ", header[20:32])
    else:
        scale, length = struct.unpack(">II", header[12:20])
    return float(length / scale) if scale and length != 2**32 - 1 else 0.0
