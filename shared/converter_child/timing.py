"""Keep the times of converted sound and pictures as in the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from shared.examiner_child.demuxing import MAX_GAP

LEAST_GAP = 0.1
"""Gaps of more seconds are filled with silence; shorter ones are jitter of clocks."""


class Clock:
    """Maps times to one time line from zero: joined recordings restart their times, live ones may begin at noon."""

    def __init__(self, began: float | None = None) -> None:
        """`began` is the start time of the first frame; None: the first frame sets it."""
        self._shift = None if began is None else -began
        self._end = 0.0

    def at(self, when: float, lasts: float) -> float:
        """Return the seconds from the beginning for the time stamp `when`."""
        if self._shift is None or not -1.0 <= when + self._shift - self._end <= MAX_GAP:
            self._shift = self._end - when
        self._end = max(self._end, when + self._shift + lasts)
        return when + self._shift


def time_of(frame: AudioFrame | VideoFrame, source: AudioStream | VideoStream) -> float | None:
    """Return the seconds that a decoded frame is stamped with. The last frames of a decoder may lack a time base."""
    base = frame.time_base or source.time_base
    return None if frame.pts is None or not base else float(frame.pts * base)


class SoundInTime:
    """Converts decoded sound to one format, with each frame at its time: gaps are filled with silence."""

    def __init__(self, source: AudioStream, layout: str, rate: int, form: str, *, began: float | None = None) -> None:
        self._source = source
        self._layout, self._rate, self._form = layout, rate, form
        self._clock, self._resampler = Clock(began), AudioResampler(form, layout, rate)
        self._shape: tuple[str, str, int] | None = None
        self.samples = 0
        """All that were put out."""

    def frames(self, decoded: Iterable[AudioFrame], *, last: bool) -> Iterator[AudioFrame]:
        """Yield the sound of these frames. `last`: no others will follow."""
        for frame in decoded:
            shape = frame.format.name, frame.layout.name, frame.sample_rate
            if self._shape not in (None, shape):
                # The format changes where another recording was appended to the first.
                self._resampler = AudioResampler(self._form, self._layout, self._rate)
            self._shape = shape
            when = time_of(frame, self._source)
            if when is not None:
                at = self._clock.at(when, frame.samples / frame.sample_rate)
                yield from self._silence(at - self.samples / self._rate)
            frame.pts = None
            yield from map(self._stamped, self._resampler.resample(frame))
        if last and self._shape is not None:
            yield from map(self._stamped, self._resampler.resample(None))

    def _silence(self, seconds: float) -> Iterator[AudioFrame]:
        left = round(seconds * self._rate) if seconds > LEAST_GAP else 0
        while left > 0:
            frame = AudioFrame(format=self._form, layout=self._layout, samples=min(left, self._rate))
            frame.sample_rate = self._rate
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            left -= frame.samples
            yield self._stamped(frame)

    def _stamped(self, frame: AudioFrame) -> AudioFrame:
        frame.pts, frame.time_base = self.samples, Fraction(1, self._rate)
        self.samples += frame.samples
        return frame
