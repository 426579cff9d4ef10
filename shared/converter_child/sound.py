"""Convert the sound of a recording to Opus in Ogg. All times are kept: silence stays as long as in the source.

Opus, because it is small, and what Gemini hears (16 kHz, one channel) survives it at a few kilobytes a second. Sound
that is in Opus already is copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from shared.converter_child.output import Output
from shared.converter_child.pace import Pace
from shared.converter_child.timing import LEAST_GAP, Clock, SoundInTime
from shared.domain.media.random_access import DamagedError
from shared.examiner_child.demuxing import Opened

_RATES = {8000: 16_000, 12000: 20_000, 16000: 24_000, 24000: 32_000, 48000: 40_000}
"""The sample rates of Opus, and the bits a second of one channel that speech needs at them."""
_SECOND_CHANNEL = 0.6
_TICKS = 48_000
"""Of Opus a second, at any sample rate."""
_SILENT_PACKET, _SILENT_SECONDS = b"\xf8\xff\xfe", 0.02
"""20 ms without a sound: one frame of CELT (RFC 6716, section 3.1) that says so."""
_CHECKED_EVERY = 256


def convert_sound(opened: Opened, output: Output, pace: Pace) -> str:
    """Write the recording's sound; return the name of its new format, for a sentence."""
    sound = opened.sound
    if sound is None or sound.codec_context is None:
        raise DamagedError("The file holds no sound that can be decoded.")
    with av.open(output, "w", format="ogg", options={"fflags": "+bitexact"}) as made:
        if sound.codec_context.codec.canonical_name == "opus" and _copy(opened, sound, made, pace):
            return "Ogg, without encoding it again"
        _encode(opened, sound, made, pace)
    return "Opus in Ogg"


def _copy(opened: Opened, sound: AudioStream, made: OutputContainer, pace: Pace) -> bool:
    """Copy the packets of Opus, with silent ones where some are missing. Return False if there is nothing to copy."""
    try:
        stream = made.add_stream_from_template(sound, opaque=True)
    except (av.FFmpegError, ValueError):
        return False
    clock, written = Clock(), 0
    for packet in _packets(opened, sound):
        if packet.pts is None or packet.time_base is None:
            continue
        lasts = (packet.duration or 0) * float(packet.time_base) or _SILENT_SECONDS
        at = clock.at(packet.pts * float(packet.time_base), lasts)
        while (at - written / _TICKS) > LEAST_GAP:
            written = _mux(av.Packet(_SILENT_PACKET), written, _SILENT_SECONDS, stream, made)
        written = _mux(packet, written, lasts, stream, made)
        pace.check(at)
    return written > 0


def _mux(packet: Packet[Any], at: int, lasts: float, stream: AudioStream, made: OutputContainer) -> int:
    """Write a packet that starts at tick `at`; return the tick at which it ends."""
    ticks = round(lasts * _TICKS)
    packet.time_base = Fraction(1, _TICKS)
    packet.pts = packet.dts = at
    packet.duration, packet.stream = ticks, stream
    made.mux(packet)
    return at + ticks


def _encode(opened: Opened, sound: AudioStream, made: OutputContainer, pace: Pace) -> None:
    context = sound.codec_context
    channels = 1 if context.channels == 1 else 2
    rate = next((rate for rate in _RATES if rate >= (context.sample_rate or 48000)), 48000)
    layout = "mono" if channels == 1 else "stereo"
    stream = made.add_stream("libopus", rate=rate, layout=layout)
    assert isinstance(stream, AudioStream)
    stream.bit_rate = round(_RATES[rate] * (1 + (channels - 1) * _SECOND_CHANNEL))
    stream.options = {"compression_level": "5"}
    timed = SoundInTime(sound, layout, rate, "s16")
    for number, frame in enumerate(timed.frames(_decoded(opened, sound), last=True)):
        made.mux(stream.encode(frame))
        if not number % _CHECKED_EVERY:
            pace.check(timed.samples / rate)
    if not timed.samples:
        raise DamagedError("The file holds no sound that can be decoded.")
    made.mux(stream.encode(None))


def _decoded(opened: Opened, sound: AudioStream) -> Iterator[AudioFrame]:
    for packet in _packets(opened, sound, flush=True):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            # A damaged packet is left out. The times of the next packets keep its gap.
            continue


def _packets(opened: Opened, sound: AudioStream, *, flush: bool = False) -> Iterator[Packet[AudioStream]]:
    try:
        for packet in opened.container.demux(sound):
            if packet.size or flush:
                yield packet
    except av.FFmpegError:
        # Nothing after the damage can be decoded.
        return
