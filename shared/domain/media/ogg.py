"""Ogg (RFC 3533): the first page names the codec, the last page's position is the length."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.reading import DamagedError, Window

_TAIL = 256 * 1024
"""Several of the largest pages (65,307 bytes), for files that end in another stream's pages."""
_NO_POSITION = 0xFFFF_FFFF_FFFF_FFFF
_OPUS_RATE = 48_000


class _Codec(NamedTuple):
    name: str
    rate: int
    channels: int
    skip: int = 0
    heard_at: int = 0
    """The sample rate of the sound, where positions count at another one."""


def probe_ogg(window: Window, facts: Facts) -> Facts:
    """Facts of Ogg with Vorbis, Opus, FLAC or Speex."""
    page = window.exactly(0, 28)
    if page[:4] != b"OggS":
        raise DamagedError("The Ogg file does not begin with a page: it is damaged.")
    serial = page[14:18]
    codec = _codec(window.at(27 + page[26], 64))
    if codec is None:
        raise DamagedError("The Ogg file holds no sound in Vorbis, Opus, FLAC or Speex.")
    if codec.rate <= 0 or codec.channels <= 0:
        raise DamagedError("The Ogg file claims no channels or no sample rate: it is damaged.")
    position, ended = _last_position(window, serial)
    samples = position - codec.skip
    if samples <= 0:
        raise DamagedError("The Ogg file holds no sound: it has zero samples.")
    warnings = () if ended else ("The recording was not closed properly; its last seconds may be missing.",)
    return facts.model_copy(
        update={
            "codec": codec.name,
            "sample_rate": codec.heard_at or codec.rate,
            "channels": codec.channels,
            "duration": samples / codec.rate,
            "has_audio": True,
            "warnings": facts.warnings + warnings,
        }
    )


def _codec(packet: bytes) -> _Codec | None:
    if packet.startswith(b"\x01vorbis"):
        return _Codec("vorbis", int.from_bytes(packet[12:16], "little"), packet[11])
    if packet.startswith(b"OpusHead"):
        heard_at = int.from_bytes(packet[12:16], "little")
        return _Codec("opus", _OPUS_RATE, packet[9], int.from_bytes(packet[10:12], "little"), heard_at)
    if packet.startswith(b"\x7fFLAC"):
        packed = int.from_bytes(packet[27:35], "big")
        return _Codec("flac", packed >> 44, (packed >> 41 & 7) + 1)
    if packet.startswith(b"Speex   "):
        return _Codec("speex", int.from_bytes(packet[36:40], "little"), int.from_bytes(packet[48:52], "little"))
    return None


def _last_position(window: Window, serial: bytes) -> tuple[int, bool]:
    """The highest position of the stream, and whether its last page says that it is the last."""
    tail = window.tail(_TAIL)
    end = len(tail)
    whole = False
    while (at := tail.rfind(b"OggS", 0, end)) >= 0:
        page, end = tail[at:], at
        complete = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
        if not whole and not complete:
            raise DamagedError("The Ogg file is truncated: it ends in the middle of a page. Upload it again.")
        whole = True
        position = int.from_bytes(page[6:14], "little")
        if page[14:18] == serial and position != _NO_POSITION:
            return position, bool(page[5] & 4)
    raise DamagedError("The Ogg file is truncated or damaged: no page was found at its end.")
