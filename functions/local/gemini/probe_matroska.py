"""WebM and Matroska: the segment's Info and Tracks elements; clusters are skipped."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from functions.local.gemini.media import Finding, Undecodable

_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_SCALE, _DURATION, _ENTRY, _TYPE, _VIDEO, _AUDIO = 0x2AD7B1, 0x4489, 0xAE, 0x83, 0xE0, 0xE1
_WIDTH, _HEIGHT, _RATE, _CHANNELS, _DOC_TYPE = 0xB0, 0xBA, 0xB5, 0x9F, 0x4282
_HEAD_BYTES = 4 << 20
"""Info and Tracks come first, before any cluster."""


def probe_matroska(content: BinaryIO, size: int) -> Finding:
    data = content.read(_HEAD_BYTES)
    finding = Finding(container="WebM", duration=0.0, has_audio=False)
    scale, ticks = 1_000_000, 0.0
    for element, value in _walk(data):
        if element == _DOC_TYPE and value == b"matroska":
            finding["container"] = "Matroska"
        elif element == _SCALE:
            scale = int.from_bytes(value, "big")
        elif element == _DURATION:
            ticks = _float(value)
        elif element == _TYPE:
            finding["has_audio"] = finding["has_audio"] or value == b"\x02"
        elif element in (_WIDTH, _HEIGHT):
            finding["width" if element == _WIDTH else "height"] = int.from_bytes(value, "big")
        elif element == _RATE:
            finding["sample_rate"] = int(_float(value))
        elif element == _CHANNELS:
            finding["channels"] = int.from_bytes(value, "big")
    finding["duration"] = ticks * scale / 1e9
    if not finding["has_audio"] and "width" not in finding:
        raise Undecodable("The file has no audio or video track.")
    return finding


def _float(value: bytes) -> float:
    return float(struct.unpack(">f" if len(value) == 4 else ">d", value)[0])


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that hold values, those of nested ones too, up to the first cluster."""
    position = 0
    while position < len(data):
        element, position = _number(data, position, keep_marker=True)
        length, position = _number(data, position, keep_marker=False)
        if element == _CLUSTER:
            return
        if element in (0x1A45DFA3, _SEGMENT, _INFO, _TRACKS, _ENTRY, _VIDEO, _AUDIO):
            continue
        yield element, data[position : position + length]
        position += length


def _number(data: bytes, position: int, *, keep_marker: bool) -> tuple[int, int]:
    first = data[position] if position < len(data) else 0
    if not first:
        raise Undecodable("The file's elements are broken.")
    width = 9 - first.bit_length()
    number = int.from_bytes(data[position : position + width], "big")
    return (number if keep_marker else number & ((1 << 7 * width) - 1)), position + width
