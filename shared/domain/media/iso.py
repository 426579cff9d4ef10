"""MP4, M4A, QuickTime, 3GPP and HEIC (ISO/IEC 14496-12): boxes in boxes, of which only headers are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.media.facts import Facts
from shared.domain.media.kinds import media_type
from shared.domain.media.reading import MAX_READ, DamagedError, Window

_MOST_BOXES = 512
_MANY = 4
"""Fragments after which only the last one is looked for."""
_UNKNOWN_32, _UNKNOWN_64 = 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF
_ENTRY_OF_SOUND = 36
"""Bytes of a sample entry up to the end of the sample rate."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    """Of its content."""
    end: int


@dataclass
class _Tracks:
    sound: str | None = None
    pictures: str | None = None
    rate: int | None = None
    channels: int | None = None
    width: int = 0
    height: int = 0
    longest: float = 0.0


def probe_mp4(window: Window, facts: Facts) -> Facts:
    """Facts of films and recordings; one without pictures becomes audio/mp4."""
    top = _whole(window)
    movie = next((box for box in top if box.kind == b"moov"), None)
    if movie is None:
        raise DamagedError(
            "The file has no index (“moov”): the recording was not finished, or the upload broke off. Export it again."
        )
    tracks, duration, fragments = _Tracks(), 0.0, None
    for box in _boxes(window, movie.start, movie.end):
        if box.kind == b"mvhd":
            duration = _seconds(window, box)
        elif box.kind == b"trak":
            _read_track(window, box, tracks)
        elif box.kind == b"mvex":
            fragments = box
    if tracks.sound is None and tracks.pictures is None:
        raise DamagedError("The file holds neither sound nor pictures: it has no tracks.")
    duration = max(duration, tracks.longest)
    if fragments is not None:
        # The movie's own length may then be that of its beginning only.
        end = _fragmented(window, movie, fragments, top)
        duration = max(duration, end) if end else 0.0
    if duration <= 0 and fragments is None:
        raise DamagedError("The file holds nothing to play: its length is zero.")
    return _facts(facts, tracks, duration)


def _facts(facts: Facts, tracks: _Tracks, duration: float) -> Facts:
    film = tracks.pictures is not None
    # AMR, the sound of old telephones' 3GPP recordings, is known as part of 3GPP only.
    recording = not film and not (tracks.sound or "").startswith("sa")
    kind = media_type("audio/mp4") if recording else facts.media_type
    if film and kind.family == "audio":
        kind = media_type("video/mp4")
    unknown = () if duration > 0 else ("The file does not say how long it is.",)
    mismatch = facts.media_type.mismatch
    return facts.model_copy(
        update={
            "media_type": kind.model_copy(update={"mismatch": mismatch}),
            "duration": duration or None,
            "codec": tracks.pictures or tracks.sound,
            "sample_rate": tracks.rate,
            "channels": tracks.channels,
            "width": tracks.width or None,
            "height": tracks.height or None,
            "has_audio": tracks.sound is not None,
            "has_video": film,
            "warnings": facts.warnings + unknown,
        }
    )


def probe_heif(window: Window, facts: Facts) -> Facts:
    """Facts of HEIC and HEIF: how large the primary picture is shown, else the largest one inside."""
    meta = next((box for box in _whole(window) if box.kind == b"meta"), None)
    if meta is None:
        raise DamagedError("The HEIC image holds no picture: it is truncated or damaged.")
    boxes = [
        box
        for properties in _find(window, meta.start + 4, meta.end, b"iprp", b"ipco")
        for box in _boxes(window, properties.start, properties.end)
    ]
    own = [boxes[each - 1] for each in _properties_of_primary(window, meta) if 0 < each <= len(boxes)]
    sizes = [
        (window.number(">I", box.start + 4), window.number(">I", box.start + 8))
        for box in ([box for box in own if box.kind == b"ispe"] or boxes)
        if box.kind == b"ispe"
    ]
    width, height = max(sizes, key=lambda each: each[0] * each[1], default=(0, 0))
    if not width or not height:
        raise DamagedError("The HEIC image is damaged: it does not say how large it is.")
    quarters = sum(window.number(">B", box.start) & 3 for box in own if box.kind == b"irot")
    if quarters % 2:
        width, height = height, width
    return facts.model_copy(update={"codec": "heif", "width": width, "height": height})


def _properties_of_primary(window: Window, meta: _Box) -> list[int]:
    """The numbers (from 1) of the properties that the primary picture has."""
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
                        int.from_bytes(listed[each : each + 2], "big") & 0x7FFF for each in range(0, len(listed), 2)
                    ]
                return [each & 0x7F for each in listed]
            at += name + 1 + len(listed)
    return []


def _whole(window: Window) -> list[_Box]:
    """The top-level boxes, up to the first fragments of a film that has many.

    `DamagedError` when one of them, other than unused space, reaches past the end of the file.
    """
    found: list[_Box] = []
    for box in _boxes(window, 0, window.size):
        found.append(box)
        _must_be_there(window, box)
        if len(found) > _MANY and sum(each.kind == b"moof" for each in found) > _MANY:
            return [*(each for each in found if each.kind != b"moof"), *_behind(window, box)]
    return found


def _behind(window: Window, box: _Box) -> list[_Box]:
    """The boxes from the last fragment on, as far as it begins in the last megabyte; else none."""
    start = max(box.end, window.size - MAX_READ)
    at = window.at(start, MAX_READ).rfind(b"moof")
    found = list(_boxes(window, start + at - 4, window.size)) if at >= 4 else []
    for each in found:
        _must_be_there(window, each)
    return found


def _must_be_there(window: Window, box: _Box) -> None:
    if box.end > window.size and box.kind not in (b"free", b"skip"):
        raise DamagedError(
            f"The file is truncated: {box.end:,} bytes are promised, {window.size:,} are there. Upload it again."
        )


def _boxes(window: Window, at: int, end: int) -> Iterator[_Box]:
    for _ in range(_MOST_BOXES):
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


def _seconds(window: Window, box: _Box) -> float:
    """Of an mvhd or mdhd box."""
    if window.exactly(box.start, 1)[0] == 1:
        scale, length = window.number(">I", box.start + 20), window.number(">Q", box.start + 24)
    else:
        scale, length = window.number(">I", box.start + 12), window.number(">I", box.start + 16)
    return length / scale if scale and length not in (_UNKNOWN_32, _UNKNOWN_64) else 0.0


def _read_track(window: Window, track: _Box, into: _Tracks) -> None:
    handler = next(_find(window, track.start, track.end, b"mdia", b"hdlr"), None)
    entry = next(_find(window, track.start, track.end, b"mdia", b"minf", b"stbl", b"stsd"), None)
    if handler is None or entry is None:
        return
    kind = window.exactly(handler.start + 8, 4)
    if kind not in (b"soun", b"vide") or window.number(">I", entry.start + 4) == 0:
        return
    codec = window.exactly(entry.start + 12, 4).decode("latin-1").strip()
    header = next(_find(window, track.start, track.end, b"mdia", b"mdhd"), None)
    into.longest = max(into.longest, _seconds(window, header) if header else 0.0)
    sample = window.exactly(entry.start + 8, _ENTRY_OF_SOUND)
    if kind == b"soun" and into.sound is None:
        into.sound = codec
        into.channels = int.from_bytes(sample[24:26], "big") or None
        into.rate = int.from_bytes(sample[32:34], "big") or None
    elif kind == b"vide" and into.pictures is None:
        into.pictures = codec
        into.width, into.height = int.from_bytes(sample[32:34], "big"), int.from_bytes(sample[34:36], "big")


def _fragmented(window: Window, movie: _Box, extends: _Box, top: list[_Box]) -> float:
    """The length of a film in fragments, by its mehd box, or by the fragments that its sidx boxes list."""
    scale = next((window.number(">I", box.start + 12) for box in _find(window, movie.start, movie.end, b"mvhd")), 0)
    for box in _find(window, extends.start, extends.end, b"mehd"):
        long = window.exactly(box.start, 1)[0] == 1
        length = window.number(">Q" if long else ">I", box.start + 4)
        return length / scale if scale else 0.0
    indexed: dict[int, float] = {}
    for box in top:
        if box.kind == b"sidx":
            track = window.number(">I", box.start + 4)
            indexed[track] = indexed.get(track, 0.0) + _indexed(window, box)
    return max([_last_fragment(window, movie, top), *indexed.values()])


def _indexed(window: Window, box: _Box) -> float:
    long = window.exactly(box.start, 1)[0] == 1
    scale = window.number(">I", box.start + 8)
    counts = box.start + (30 if long else 22)
    entries = window.at(counts + 2, 12 * window.number(">H", counts))
    ticks = sum(int.from_bytes(entries[at + 4 : at + 8], "big") for at in range(0, len(entries) - 11, 12))
    return ticks / scale if scale else 0.0


def _last_fragment(window: Window, movie: _Box, top: list[_Box]) -> float:
    """When the last fragment begins, plus what its samples last: the longest of its tracks."""
    fragment = next((box for box in reversed(top) if box.kind == b"moof"), None)
    if fragment is None:
        return 0.0
    scales = dict(_scales(window, movie))
    longest = 0.0
    for part in _find(window, fragment.start, fragment.end, b"traf"):
        boxes = {box.kind: box for box in _boxes(window, part.start, part.end)}
        if b"tfhd" not in boxes or b"tfdt" not in boxes:
            continue
        begins = boxes[b"tfdt"].start
        start = window.number(">Q" if window.exactly(begins, 1)[0] == 1 else ">I", begins + 4)
        scale = scales.get(window.number(">I", boxes[b"tfhd"].start + 4), 0)
        if scale:
            longest = max(longest, (start + _run(window, boxes[b"tfhd"], boxes.get(b"trun"))) / scale)
    return longest


def _scales(window: Window, movie: _Box) -> Iterator[tuple[int, int]]:
    """Ticks a second of each track, by its number."""
    for track in _find(window, movie.start, movie.end, b"trak"):
        header = next(_find(window, track.start, track.end, b"tkhd"), None)
        media = next(_find(window, track.start, track.end, b"mdia", b"mdhd"), None)
        if header is not None and media is not None:
            number = window.number(">I", header.start + (20 if window.exactly(header.start, 1)[0] == 1 else 12))
            yield number, window.number(">I", media.start + (20 if window.exactly(media.start, 1)[0] == 1 else 12))


def _run(window: Window, header: _Box, run: _Box | None) -> int:
    """Ticks of a track's samples in a fragment."""
    flags = window.number(">I", header.start) & 0xFFFFFF
    at = header.start + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    default = window.number(">I", at) if flags & 8 else 0
    if run is None:
        return 0
    flags, count = window.number(">I", run.start) & 0xFFFFFF, window.number(">I", run.start + 4)
    if not flags & 0x100:
        return default * count
    entry = 4 * sum(bool(flags & bit) for bit in (0x100, 0x200, 0x400, 0x800))
    at = run.start + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    samples = window.at(at, entry * count)
    return sum(int.from_bytes(samples[each : each + 4], "big") for each in range(0, len(samples), entry))
