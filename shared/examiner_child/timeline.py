"""Measure how long a stream plays by the times of its packets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

_BACK = 1.0
"""Seconds by which packets may be out of order: pictures are stored in decoding order."""
_PRIMING = 1.4
"""Seconds of sound before zero that only prime the decoder: Opus has up to 65,535 samples (RFC 7845, section 5.1)."""
_WRAPPED = 1 << 31
"""FFmpeg gives a packet of Vorbis that is cut short a negative duration, in 32 bits without sign."""


class Timeline:
    """Adds up the stretches of one stream: in joined and chained files, times start again."""

    def __init__(self, stream: AudioStream | VideoStream, *, gap: float) -> None:
        """`gap` is the seconds without a packet after which another recording begins."""
        base = stream.time_base
        self._seconds = float(base) if base else 0.0
        # Decoding times (DTS) rise steadily. By presentation times (PTS), the first picture seems to come late.
        self._decoding = isinstance(stream, VideoStream)
        ticks = 1 / self._seconds if self._seconds else 1.0
        self._back, self._gap = _BACK * ticks, gap * ticks
        self._first: float | None = None
        self._very_first: float | None = None
        self._end = 0.0
        self._before = 0.0
        self.stretches = 0

    def add(self, packet: Packet[Any]) -> None:
        if packet.is_discard:
            # An edit list hides this packet, as in films that were trimmed without re-encoding.
            return
        when = packet.dts if self._decoding and packet.dts is not None else packet.pts
        if when is None:
            # Streams without times: packets follow each other.
            when = int(self._end)
        if self._first is None or not -self._back <= when - self._end <= self._gap:
            self._close(when)
        self._end = max(self._end, when + self._lasting(packet.duration or 0))

    @staticmethod
    def longest(lines: Iterable[Timeline]) -> float:
        """Return the seconds from the first packet of all streams to the end of the last."""
        heard = [line for line in lines if line.stretches]
        begins = min((line.first for line in heard), default=0.0)
        # A slightly later start only means that the streams are decoded one after the other.
        late = {line: line.first - begins for line in heard}
        return max((line.total + (late[line] if late[line] > _BACK else 0.0) for line in heard), default=0.0)

    @property
    def first(self) -> float:
        return (self._very_first or 0.0) * self._seconds

    @property
    def end(self) -> float:
        return self._end * self._seconds

    @property
    def total(self) -> float:
        return (self._before + self._end - self._heard_from(self._first or 0.0)) * self._seconds

    def _heard_from(self, first: float) -> float:
        """Return the audible start. Sound shortly before zero only primes the decoder."""
        return 0.0 if not self._decoding and -_PRIMING <= first * self._seconds < 0 else first

    def _lasting(self, duration: int) -> int:
        return duration - 2 * _WRAPPED if not self._decoding and _WRAPPED <= duration < 2 * _WRAPPED else duration

    def _close(self, when: int) -> None:
        if self._first is not None:
            self._before += self._end - self._heard_from(self._first)
        else:
            self._very_first = float(when)
        self._first, self._end = float(when), float(when)
        self.stretches += 1
