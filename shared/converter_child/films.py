"""Convert a film to MP4: copy the streams that MP4 can hold, and re-encode the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from shared.converter_child.output import Output
from shared.converter_child.pace import Pace
from shared.converter_child.timing import SoundInTime, time_of
from shared.domain.media.random_access import DamagedError
from shared.examiner_child.demuxing import Opened

_PICTURES_IN_MP4 = ("h264", "hevc", "av1", "vp9", "mpeg4")
_SOUND_IN_MP4 = ("aac", "mp3")
_MAX_SIDE = 1280
_LEAST_STEP = 1 / 16
"""Seconds between two pictures that are encoded: Gemini looks at one to a few a second."""
_ENCODER = {"preset": "ultrafast", "crf": "28", "g": "150", "threads": "2"}
_MILLISECOND = Fraction(1, 1000)
_SOUND_RATE = 48_000
_SOUND_BITS = 96_000

Write = Callable[["Packet[Any] | None"], float]
"""Writes what becomes of a packet, None at the end; returns the seconds of film that were reached."""


def convert_film(opened: Opened, output: Output, pace: Pace) -> str:
    """Write the film; return what it became, for a sentence."""
    if opened.pictures is None:
        raise DamagedError("The film holds no pictures that can be decoded.")
    began = (opened.container.start_time or 0) / av.time_base
    with av.open(output, "w", format="mp4", options={"fflags": "+bitexact"}) as made:
        copied = _is_copied(opened.pictures, _PICTURES_IN_MP4)
        pictures = opened.pictures
        writers: dict[int, Write] = {
            pictures.index: _copy(pictures, made, began) if copied else _encode_pictures(pictures, made, began)
        }
        if (sound := opened.sound) is not None:
            writers[sound.index] = (
                _copy(sound, made, began) if _is_copied(sound, _SOUND_IN_MP4) else _encode_sound(sound, made, began)
            )
        for packet in _packets(opened):
            pace.check(writers[packet.stream_index](packet))
        for write in writers.values():
            write(None)
    return "MP4, without encoding its pictures again" if copied else "MP4"


def _is_copied(stream: VideoStream | AudioStream, codecs: tuple[str, ...]) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec.canonical_name in codecs


def _packets(opened: Opened) -> Iterator[Packet[Any]]:
    streams = [stream for stream in (opened.pictures, opened.sound) if stream is not None]
    try:
        for packet in opened.container.demux(*streams):
            if packet.size:
                yield packet
    except av.FFmpegError:
        # Nothing after the damage can be decoded.
        return


def _copy(source: Stream, made: OutputContainer, began: float) -> Write:
    stream = made.add_stream_from_template(source)
    shift, before = 0, -(1 << 62)

    def write(packet: Packet[Any] | None) -> float:
        nonlocal shift, before
        if packet is None or packet.time_base is None or (packet.dts is None and packet.pts is None):
            return 0.0
        ticks = float(packet.time_base)
        start = round(began / ticks)
        decoded = packet.dts if packet.dts is not None else packet.pts
        assert decoded is not None
        shown = packet.pts if packet.pts is not None else decoded
        decoded, shown = decoded - start, shown - start
        # MP4 wants times of decoding that rise.
        packet.dts = before = max(decoded, before + 1)
        packet.pts = max(shown, packet.dts)
        packet.stream = stream
        made.mux(packet)
        return shown * ticks

    return write


def _encode_pictures(source: VideoStream, made: OutputContainer, began: float) -> Write:
    context = source.codec_context
    scale = min(1.0, _MAX_SIDE / max(context.width, context.height, 1))
    stream = made.add_stream("libx264", rate=25)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = _even(context.width * scale), _even(context.height * scale)
    stream.pix_fmt, stream.options = "yuv420p", dict(_ENCODER)
    stream.codec_context.time_base = _MILLISECOND
    reached = -1.0

    def write(packet: Packet[Any] | None) -> float:
        nonlocal reached
        for frame in _frames(source, packet):
            when = time_of(frame, source)
            at = max(reached, 0.0) + _LEAST_STEP if when is None else when - began
            if at < reached + _LEAST_STEP:
                continue
            reached = at
            ready = frame.reformat(stream.width, stream.height, "yuv420p")
            ready.pts, ready.time_base = round(at * 1000), _MILLISECOND
            made.mux(stream.encode(ready))
        if packet is None:
            if reached < 0:
                raise DamagedError("The film holds no pictures that can be decoded.")
            made.mux(stream.encode(None))
        return max(reached, 0.0)

    return write


def _encode_sound(source: AudioStream, made: OutputContainer, began: float) -> Write:
    layout = "mono" if source.codec_context.channels == 1 else "stereo"
    stream = made.add_stream("aac", rate=_SOUND_RATE, layout=layout)
    assert isinstance(stream, AudioStream)
    stream.bit_rate = _SOUND_BITS
    sound = SoundInTime(source, layout, _SOUND_RATE, "fltp", began=began)

    def write(packet: Packet[Any] | None) -> float:
        for frame in sound.frames(_frames(source, packet), last=packet is None):
            made.mux(stream.encode(frame))
        if packet is None and sound.samples:
            made.mux(stream.encode(None))
        return sound.samples / _SOUND_RATE

    return write


def _frames(source: Any, packet: Packet[Any] | None) -> list[Any]:
    try:
        return list(source.decode(packet))
    except av.FFmpegError:
        # A damaged packet is left out. The times of the next packets keep its gap.
        return []


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)
