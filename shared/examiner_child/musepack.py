"""The length of Musepack by its header: FFmpeg rounds that of the eighth stream version down to whole packets."""

from __future__ import annotations

_RATES = (44_100, 48_000, 37_800, 32_000)
_SMALLEST_FRAME = 1152
PACKET_SECONDS = _SMALLEST_FRAME * 4**7 / min(_RATES)
"""Seconds in the longest packet."""


def promised_by_musepack(head: bytes) -> float:
    """Return the seconds in the header of stream version 8; 0 for other versions, or if the header has none.

    The packet “SH”: a checksum of four bytes, the version, the samples, the silence before them, and the rate's number.
    """
    if head[:6] != b"MPCKSH":
        return 0.0
    _, at = _number(head, 6)
    samples, at = _number(head, at + 5)
    silence, at = _number(head, at)
    rate = head[at] >> 5 if at < len(head) else len(_RATES)
    return max(0, samples - silence) / _RATES[rate] if rate < len(_RATES) else 0.0


def _number(head: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the highest first, and where it ends."""
    number = 0
    for byte in head[at : at + 10]:
        number, at = number << 7 | byte & 0x7F, at + 1
        if byte < 0x80:
            break
    return number, at
