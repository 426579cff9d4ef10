"""Find silences in recordings, and cut recordings into parts with FFmpeg, in constant memory."""

from __future__ import annotations

import array
from collections.abc import Iterator
from itertools import chain
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

from shared.converter_child.output import Output
from shared.domain.media.facts import Facts
from shared.domain.media.random_access import DamagedError
from shared.domain.splitting.plan import quietest
from shared.examiner_child.demuxing import Opened
from shared.examiner_child.files import ExaminedFile
from shared.examiner_child.opening import behind_tags, open_recording
from shared.sandbox_child import SourceFile
from shared.splitter_child import CACHED_BYTES

_RATE = 16_000
"""Samples a second: Gemini reads sound at this rate, in one channel."""
_BITS = 32_000
"""Bits a second of Opus: speech is as clear as Gemini hears it."""
_FRAME_SAMPLES = 960
"""Of 60 ms, the longest that Opus has."""
_ENCODER = {"frame_duration": "60", "compression_level": "3", "application": "voip"}
_HEARD_RATE, _BLOCK_SAMPLES = 8_000, 400
"""Silences are looked for in blocks of 50 ms."""
_RUN_UP = 1.0
"""Seconds that a decoder gets before what is kept."""
_WITHOUT_INDEX = ("mpeg-audio", "adts", "ogg")
"""Formats in which FFmpeg guesses where a moment lies, or whose times begin anew in the middle: their packets are
counted from the beginning."""


def silences(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """For each nominal cut, return the middle of the quietest half second within `search` seconds of it."""
    assert source is not None
    search, found = arguments["search"], list[float]()
    file = ExaminedFile(source.range, source.size, cached_bytes=CACHED_BYTES)
    for cut in arguments["cuts"]:
        begin, peaks = cut - search, array.array("H")
        for samples in _heard(file, arguments["facts"], begin, cut + search, _HEARD_RATE, _BLOCK_SAMPLES):
            peaks.append(min(32767, max(max(samples), -min(samples))))
        found.append(quietest(peaks, _BLOCK_SAMPLES / _HEARD_RATE, begin, cut))
    return found, b""


def cut(arguments: dict[str, Any], _payload: bytes, source: SourceFile | None) -> tuple[Any, bytes]:
    """Emit the sound from `start` to `end` seconds as Opus in Ogg."""
    assert source is not None
    file = ExaminedFile(source.range, source.size, cached_bytes=CACHED_BYTES)
    made = Output(source.emit)
    written = 0
    with av.open(made, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_RATE, layout="mono")
        assert isinstance(stream, AudioStream)
        stream.bit_rate, stream.options = _BITS, dict(_ENCODER)
        heard = _heard(file, arguments["facts"], arguments["start"], arguments["end"], _RATE, _FRAME_SAMPLES)
        # The encoder drops the last few milliseconds, so silence is appended.
        for samples in chain(heard, [array.array("h", bytes(2 * _FRAME_SAMPLES))]):
            frame = AudioFrame("s16", "mono", len(samples))
            frame.sample_rate, frame.pts = _RATE, written
            frame.planes[0].update(samples.tobytes())
            written += len(samples)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if file.unavailable:
        raise OSError("a range of the file could not be read")
    if written <= _FRAME_SAMPLES:
        raise DamagedError("The recording has no sound in one of its parts.")
    made.finish()
    return {"seconds": written / _RATE}, b""


def _heard(
    file: ExaminedFile, facts: dict[str, Any], start: float, end: float, rate: int, block: int
) -> Iterator[array.array[int]]:
    """Yield blocks of mono 16-bit samples between two times. Gaps are filled with silence."""
    layout = Facts.model_validate(facts).media_type.format
    opened = open_recording(file, behind_tags(file), layout)
    with opened.container:
        if opened.sound is None:
            raise DamagedError("The recording has no sound.")
        pending, position = array.array("h"), round(start * rate)
        last = round(end * rate)
        for at, samples in _samples(opened, opened.sound, start, end, rate, _is_counted(facts)):
            place = position + len(pending)
            if at < place:
                samples = samples[place - at :]
            elif at > place:
                pending.frombytes(bytes(2 * min(at - place, last - place)))
            pending.extend(samples)
            del pending[max(0, last - position) :]
            ready = len(pending) - len(pending) % block
            for begin in range(0, ready, block):
                yield pending[begin : begin + block]
            del pending[:ready]
            position += ready
            if position >= last:
                return
        if len(pending):
            pending.frombytes(bytes(2 * (block - len(pending))))
            yield pending


def _is_counted(facts: dict[str, Any]) -> bool:
    return facts["media_type"]["format"] in _WITHOUT_INDEX


def _samples(
    opened: Opened, sound: AudioStream, start: float, end: float, rate: int, counted: bool
) -> Iterator[tuple[int, array.array[int]]]:
    """Yield decoded sound from shortly before `start` to `end`, each piece with the index of its first sample."""
    resampler = AudioResampler(format="s16", layout="mono", rate=rate)
    began = 0.0 if counted else (opened.container.start_time or 0) / av.time_base
    if not counted and start > _RUN_UP:
        opened.container.seek(int((start - _RUN_UP + began) * av.time_base))
    following: int | None = None
    for when, packet in _packets(opened, sound, counted):
        moment = when - began
        if moment >= end:
            return
        if counted and moment + 2 * _RUN_UP < start:
            continue
        for frame in _decoded(sound, packet):
            shown = frame.pts * float(frame.time_base or 0) - began if frame.pts is not None and not counted else None
            if following is None:
                following = round((moment if shown is None else shown) * rate)
            elif shown is not None and abs(shown * rate - following) > rate / 2:
                # A gap in the recording stays a gap.
                following = round(shown * rate)
            for made in resampler.resample(frame):
                samples = array.array("h", bytes(made.planes[0])[: 2 * made.samples])
                yield following, samples
                following += len(samples)


def _packets(opened: Opened, sound: AudioStream, counted: bool) -> Iterator[tuple[float, av.Packet[Any]]]:
    """Yield the packets with their times, relative to the first packet or as the container gives them."""
    base, so_far = float(sound.time_base or 0), 0.0
    try:
        for packet in opened.container.demux(sound):
            if not packet.size:
                continue
            moment = so_far if counted or packet.pts is None else packet.pts * base
            yield moment, packet
            so_far = moment + (packet.duration or 0) * base
    except av.FFmpegError:
        # Nothing after the damage can be decoded.
        return


def _decoded(sound: AudioStream, packet: av.Packet[Any]) -> list[AudioFrame]:
    try:
        return [frame for frame in sound.decode(packet) if isinstance(frame, AudioFrame)]
    except av.FFmpegError:
        return []
