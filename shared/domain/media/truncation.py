"""Check whether a recording or film is complete. Its content and length are read by FFmpeg.

FFmpeg plays the rest of a truncated file without an error. Most containers state their length in one place, or end in
a fixed way; this module checks both.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.media.iso_bmff import check_mp4_is_complete
from shared.domain.media.kinds import Format
from shared.domain.media.random_access import DamagedError, Window
from shared.domain.media.wav import check_avi_is_complete, check_wav_is_complete, find_sound_chunks

_TAIL = 256 * 1024
"""Several of the largest Ogg pages (65,307 bytes)."""
_SEGMENT = 0x18538067
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_NOT_CLOSED = "The recording was not closed properly; its last seconds may be missing."


def check_ending(window: Window, layout: Format) -> tuple[str, ...]:
    """Return warnings. Raises `DamagedError` if a file of this format is truncated."""
    match layout:
        case "wav":
            return check_wav_is_complete(window, find_sound_chunks(window)[1])
        case "mp4":
            check_mp4_is_complete(window)
        case "avi":
            check_avi_is_complete(window)
        case "matroska":
            _check_matroska(window)
        case "flv":
            _check_flash(window)
        case "asf":
            _check_windows_media(window)
        case "ogg":
            return _check_ogg(window)
        case _:
            # The other formats do not state their length, or FFmpeg compares it.
            pass
    return ()


class _Element(NamedTuple):
    id: int
    start: int
    """Of its content."""
    end: int | None
    """None: the length is unknown, as in live recordings."""


def _read_element(window: Window, at: int) -> _Element | None:
    header = window.at(at, 12)
    if not header or header[0] < 0x10:
        return None
    id_width = 9 - header[0].bit_length()
    if len(header) <= id_width or not header[id_width]:
        return None
    width = 9 - header[id_width].bit_length()
    if len(header) < id_width + width:
        return None
    size = int.from_bytes(header[id_width : id_width + width], "big") & (1 << 7 * width) - 1
    start = at + id_width + width
    has_unknown_size = size == (1 << 7 * width) - 1
    return _Element(int.from_bytes(header[:id_width], "big"), start, None if has_unknown_size else start + size)


def _check_matroska(window: Window) -> None:
    element = _read_element(window, 0)
    while element is not None and element.id != _SEGMENT and element.end is not None:
        element = _read_element(window, element.end)
    if element is None or element.id != _SEGMENT:
        raise DamagedError("The WebM file holds nothing (no segment): it is truncated or damaged.")
    if element.end is not None and element.end > window.size:
        raise DamagedError(_truncated_message("WebM file", element.end, window.size))


def _check_flash(window: Window) -> None:
    if window.size <= 13:
        raise DamagedError("The Flash video holds nothing to play: it ends behind its header.")
    size = window.number(">I", window.size - 4)
    tag = window.at(window.size - 4 - size, 11)
    if size < 11 or len(tag) < 11 or tag[0] & 0x1F not in (8, 9, 18) or int.from_bytes(tag[1:4], "big") + 11 != size:
        raise DamagedError("The Flash video is truncated: it ends in the middle of a tag. Upload it again.")


def _check_windows_media(window: Window) -> None:
    header = window.at(0, min(window.number("<Q", 16), _TAIL))
    properties = header.find(_ASF_PROPERTIES)
    if properties < 0 or len(header) < properties + 92:
        raise DamagedError("The Windows Media file does not say what it holds: it is truncated or damaged.")
    promised = int.from_bytes(header[properties + 40 : properties + 48], "little")
    live = header[properties + 88] & 1
    if promised > window.size and not live:
        raise DamagedError(_truncated_message("Windows Media file", promised, window.size))


def _check_ogg(window: Window) -> tuple[str, ...]:
    """Check that the last page is complete, and warn if it is not marked as the last."""
    tail = window.tail(_TAIL)
    at = tail.rfind(b"OggS")
    if at < 0:
        raise DamagedError("The Ogg file is truncated or damaged: no page was found at its end.")
    page = tail[at:]
    if len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        raise DamagedError("The Ogg file is truncated: it ends in the middle of a page. Upload it again.")
    return () if page[5] & 4 else (_NOT_CLOSED,)


def _truncated_message(label: str, promised: int, size: int) -> str:
    return f"The {label} is truncated: {promised:,} bytes are promised, {size:,} are there. Upload it again."
