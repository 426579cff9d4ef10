"""Headers of MPEG audio frames (ISO/IEC 11172-3, 13818-3) and ADTS packets (ISO/IEC 13818-7)."""

from __future__ import annotations

from typing import NamedTuple

_LAYER_1 = (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_LAYER_2 = (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_HALF_1 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_HALF_23 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


class Frame(NamedTuple):
    """One frame: its length in bytes with the header, and the samples per channel that it holds."""

    length: int
    samples: int
    rate: int
    channels: int
    layer: int = 0
    side_info: int = 0
    """Bytes between the header and a possible Xing header."""


def layer_frame(header: bytes) -> Frame | None:
    """Return the frame of layer I, II or III with this four-byte header; None if the header is invalid."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate_index, rate_index = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    full = version == 3
    rate = _RATES[rate_index] >> (0 if full else 1 if version == 2 else 2)
    table = (_LAYER_1, _LAYER_2, _LAYER_3)[layer - 1] if full else (_HALF_1, _HALF_23, _HALF_23)[layer - 1]
    bitrate, padding = table[bitrate_index - 1] * 1000, header[2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or full else 576
    length = (12 * bitrate // rate + padding) * 4 if layer == 1 else samples // 8 * bitrate // rate + padding
    mono = header[3] >> 6 == 3
    side_info = (17 if mono else 32) if full else (9 if mono else 17)
    return Frame(length, samples, rate, 1 if mono else 2, layer, side_info)


def adts_frame(header: bytes) -> Frame | None:
    """Return the AAC packet with this seven-byte ADTS header; None if the header is invalid."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate_index = header[2] >> 2 & 15
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if rate_index >= len(_ADTS_RATES) or length < 7:
        return None
    channels = (header[2] & 1) << 2 | header[3] >> 6
    return Frame(length, 1024 * ((header[6] & 3) + 1), _ADTS_RATES[rate_index], 8 if channels == 7 else channels)
