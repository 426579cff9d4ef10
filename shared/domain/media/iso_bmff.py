"""Read the nested boxes of MP4, QuickTime and HEIC (ISO/IEC 14496-12). FFmpeg reads the content, except of HEIC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.random_access import MAX_READ, DamagedError, Window

_MAX_BOXES = 512
_MAX_FRAGMENTS_READ = 4
"""After this many fragments, only the last one is searched."""
_CHECKED_BOXES = (b"mdat", b"moov", b"moof", b"meta")
"""Boxes that must be complete. Data after the last box, such as an ID3 tag, looks like a box of another kind."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    """Of its content."""
    end: int


def check_mp4_is_complete(window: Window) -> None:
    """Raise `DamagedError` if a film or recording is truncated or has no index."""
    if all(box.kind != b"moov" for box in _top_level_boxes(window)):
        raise DamagedError(
            "The file has no index (“moov”): the recording was not finished, or the upload broke off. Export it again."
        )


def probe_heif(window: Window, facts: Facts) -> Facts:
    """Return the facts of HEIC and HEIF: the shown size of the primary picture, or of the largest picture."""
    meta = next((box for box in _top_level_boxes(window) if box.kind == b"meta"), None)
    if meta is None:
        raise DamagedError("The HEIC image holds no picture: it is truncated or damaged.")
    boxes = [
        box
        for properties in _find(window, meta.start + 4, meta.end, b"iprp", b"ipco")
        for box in _boxes(window, properties.start, properties.end)
    ]
    own = [boxes[number - 1] for number in _properties_of_primary(window, meta) if 0 < number <= len(boxes)]
    sizes = [
        (window.number(">I", box.start + 4), window.number(">I", box.start + 8))
        for box in ([box for box in own if box.kind == b"ispe"] or boxes)
        if box.kind == b"ispe"
    ]
    width, height = max(sizes, key=lambda number: number[0] * number[1], default=(0, 0))
    if not width or not height:
        raise DamagedError("The HEIC image is damaged: it does not say how large it is.")
    quarters = sum(window.number(">B", box.start) & 3 for box in own if box.kind == b"irot")
    if quarters % 2:
        width, height = height, width
    return facts.model_copy(update={"width": width, "height": height})


def _properties_of_primary(window: Window, meta: _Box) -> list[int]:
    """Return the numbers, from 1, of the primary picture's properties."""
    primary = next(_find(window, meta.start + 4, meta.end, b"pitm"), None)
    if primary is None:
        return []
    item = window.number(">I" if window.exactly(primary.start, 1)[0] else ">H", primary.start + 4)
    for box in _find(window, meta.start + 4, meta.end, b"iprp", b"ipma"):
        data = window.at(box.start, box.end - box.start)
        name = 4 if data[0] else 2
        wide = data[3] & 1
        at = 8
        for _ in range(int.from_bytes(data[4:8], "big")):
            count = data[at + name]
            listed = data[at + name + 1 : at + name + 1 + count * (2 if wide else 1)]
            if int.from_bytes(data[at : at + name], "big") == item:
                # The first bit says whether the property is essential.
                if wide:
                    return [
                        int.from_bytes(listed[place : place + 2], "big") & 0x7FFF for place in range(0, len(listed), 2)
                    ]
                return [place & 0x7F for place in listed]
            at += name + 1 + len(listed)
    return []


def _top_level_boxes(window: Window) -> list[_Box]:
    """Return the top-level boxes; of a film with many fragments, only the first and the last of these.

    Raises `DamagedError` if a box extends past the end of the file.
    """
    boxes: list[_Box] = []
    for box in _boxes(window, 0, window.size):
        boxes.append(box)
        _require_complete(window, box)
        if len(boxes) > _MAX_FRAGMENTS_READ and sum(child.kind == b"moof" for child in boxes) > _MAX_FRAGMENTS_READ:
            return [*(child for child in boxes if child.kind != b"moof"), *_last_fragments(window, box)]
    return boxes


def _last_fragments(window: Window, box: _Box) -> list[_Box]:
    """Return the boxes from the last fragment on; empty if it does not begin in the last megabyte."""
    start = max(box.end, window.size - MAX_READ)
    at = window.at(start, MAX_READ).rfind(b"moof")
    boxes = list(_boxes(window, start + at - 4, window.size)) if at >= 4 else []
    for child in boxes:
        _require_complete(window, child)
    return boxes


def _require_complete(window: Window, box: _Box) -> None:
    if box.end > window.size and box.kind in _CHECKED_BOXES:
        raise DamagedError(
            f"The file is truncated: {box.end:,} bytes are promised, {window.size:,} are there. Upload it again."
        )


def _boxes(window: Window, at: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        header = window.at(at, 16) if at + 8 <= end else b""
        if len(header) < 8:
            return
        size, head = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:
            size = end - at
        if size < head:
            return
        yield _Box(header[4:8], at + head, at + size)
        at += size


def _find(window: Window, start: int, end: int, *path: bytes) -> Iterator[_Box]:
    for box in _boxes(window, start, end):
        if box.kind == path[0]:
            if len(path) == 1:
                yield box
            else:
                yield from _find(window, box.start, box.end, *path[1:])
