"""Open recordings and films with FFmpeg, including WAV files whose chunks FFmpeg misreads."""

from __future__ import annotations

import av

from shared.domain.media.kinds import Format
from shared.domain.media.random_access import DamagedError, Window
from shared.domain.media.wav import find_sound_chunks, rewritten_header
from shared.examiner_child.demuxing import Opened, open_as
from shared.examiner_child.files import ExaminedFile, Part, Ranges

_MAX_BEHIND_SOUND = 1 << 20
"""Bytes behind a WAV file's sound in which FFmpeg looks for further chunks; a long row of zeros takes it minutes."""


def behind_tags(file: ExaminedFile) -> int:
    """Return where the content begins after ID3v2 tags: there can be several, before any format."""
    at = 0
    for _ in range(4):
        header = file.range(at, 10)
        if len(header) < 10 or header[:3] != b"ID3" or max(header[6:10]) > 0x7F:
            break
        size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
        at += 10 + size + (10 if header[5] & 0x10 else 0)
    return at


def open_recording(file: ExaminedFile, start: int, layout: Format) -> Opened:
    """Open the file from `start` on.

    Raises `av.FFmpegError` if the format is not `layout` or a range is unavailable, and `DamagedError` for a WAV file
    without sound.
    """
    if layout == "wav":
        return _open_wav(file, start)
    return open_as(Part(file, start), layout)


def _open_wav(file: ExaminedFile, start: int) -> Opened:
    """Open a WAV file. If FFmpeg cannot read its header, the sound gets a new one."""
    window = Window(Ranges(file), start)
    part = Part(file, start)
    part.size = min(part.size, _end_of_sound(window) + _MAX_BEHIND_SOUND)
    try:
        return open_as(part, "wav")
    except av.FFmpegError:
        if file.unavailable:
            raise
        places, sound = find_sound_chunks(window)
        header = rewritten_header(window, places, sound)
        return open_as(Part(file, start + sound.start, prefix=header), "wav")


def _end_of_sound(window: Window) -> int:
    """Return where the sound of a WAV file ends; the end of the file if it does not say so."""
    try:
        _, sound = find_sound_chunks(window)
    except DamagedError:
        return window.size
    return sound.start + sound.size
