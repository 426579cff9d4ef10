"""Estimate the length of recordings that are too large to be read whole."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
from av.audio.stream import AudioStream

from shared.domain.media.kinds import Format
from shared.examiner_child.demuxing import MAX_GAP, Opened, count_seconds, open_as
from shared.examiner_child.files import ExaminedFile

ENDS_BYTES = 1 << 20
_MAX_BACK = 12
"""Megabytes at the end that are searched for the last cluster of a film."""
_MARKS: dict[Format, tuple[bytes, int]] = {
    "matroska": (b"\x1f\x43\xb6\x75", 0), "mpeg": (b"\0\0\1\xba", 0), "mp4": (b"moof", 4),
}  # fmt: skip
"""The first bytes of a cluster, pack or fragment, and how many bytes come before them."""
_SAMPLES, _SAMPLE_BYTES = 12, 512 << 10
_FAR = 366 * 24 * 3600
"""Seconds after the end of any recording."""


def estimate_seconds(file: ExaminedFile, start: int, layout: Format, opened: Opened) -> float:
    """Return the estimated seconds; 0 if they are unknown."""
    match layout:
        case "mpeg-audio" | "adts":
            return _by_rate(file, start, layout)
        case "ogg":
            begins = max(0.0, (opened.container.start_time or 0) / av.time_base)
            one = file.range(start + 14, 4) == _last_serial(file)
            return opened.claimed - begins if one and opened.claimed else _by_positions(file, start, opened.sound)
        case "flac":
            return _by_seeking(opened)
        case "mpeg":
            return _by_ends(file, start, layout) or opened.claimed
        case "matroska":
            return opened.claimed or _by_ends(file, start, layout)
        case _:
            return opened.claimed


def _last_serial(file: ExaminedFile) -> bytes:
    tail = file.range(max(0, file.size - (256 << 10)), 256 << 10)
    return tail[tail.rfind(b"OggS") :][14:18]


def _by_positions(file: ExaminedFile, start: int, sound: AudioStream | None) -> float:
    """Estimate a chained Ogg file from the positions of sampled pages."""
    samples, covered = 0, 0
    rate = 0 if sound is None or sound.codec_context is None else sound.codec_context.sample_rate
    most = int(MAX_GAP * rate)
    for piece in _pieces(file, start):
        before: tuple[bytes, int, int] | None = None
        at = piece.find(b"OggS")
        while 0 <= at <= len(piece) - 27:
            position, serial = int.from_bytes(piece[at + 6 : at + 14], "little", signed=True), piece[at + 14 : at + 18]
            if position >= 0:
                if before is not None:
                    covered += at - before[2]
                    advance = position - before[1] if before[0] == serial else 0
                    samples += advance if 0 < advance < most else 0
                before = serial, position, at
            at = piece.find(b"OggS", at + 27)
    return samples / rate / covered * (file.size - start) if covered and rate else 0.0


def _pieces(file: ExaminedFile, start: int) -> Iterator[bytes]:
    step = (file.size - start) // _SAMPLES
    return (file.range(start + number * step, _SAMPLE_BYTES) for number in range(_SAMPLES))


def _by_rate(file: ExaminedFile, start: int, layout: Format) -> float:
    """Estimate from the bit rate of samples: variable bit rates do not vary that much."""
    seconds, covered = 0.0, 0
    for piece in _pieces(file, start):
        if (heard := _length_of(piece, layout)) > 0:
            seconds, covered = seconds + heard, covered + len(piece)
    return seconds / covered * (file.size - start) if covered else 0.0


def _by_seeking(opened: Opened) -> float:
    """Estimate from the last packets."""
    try:
        opened.container.seek(int(_FAR * av.time_base))
        return count_seconds(opened, "flac", to_the_end=True) or 0.0
    except av.FFmpegError:
        return opened.claimed


def _by_ends(file: ExaminedFile, start: int, layout: Format) -> float:
    ends = ends_of(file, start, layout)
    return _length_of(ends, layout) if ends else 0.0


def ends_of(file: ExaminedFile, start: int, layout: Format) -> bytes | None:
    """Return the first megabyte, and everything from the last cluster, pack or fragment on. FFmpeg reads both as one.

    Return None if the format has none of these, like most MP4 films.
    """
    mark, before = _MARKS[layout]
    head = file.range(start, ENDS_BYTES)
    if layout == "mp4":
        if b"mvex" not in head:
            return None
        head = head[: max(0, head.rfind(mark) - before)]
    for megabytes in range(1, _MAX_BACK + 1):
        begin = max(start, file.size - megabytes * ENDS_BYTES)
        if (at := file.range(begin, ENDS_BYTES + len(mark)).find(mark)) >= before:
            return head + file.range(begin + at - before, megabytes * ENDS_BYTES)
    return None


def _length_of(piece: bytes, layout: Format) -> float:
    try:
        opened = open_as(io.BytesIO(piece), layout)
    except av.FFmpegError:
        return 0.0
    with opened.container:
        return count_seconds(opened, layout) or 0.0
