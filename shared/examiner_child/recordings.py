"""Examine recordings and films with FFmpeg: their streams, their length, and whether anything is missing.

Headers are not trusted: the index of a file joined from three may cover only the first, live recordings have no index,
and the times of a radio capture may start at noon. Small files have their packets counted; large files are sampled.
"""

from __future__ import annotations

import io

import av
from av.stream import Stream

from shared.domain.media.conversions import with_codecs
from shared.domain.media.facts import Facts
from shared.domain.media.kinds import Format, MediaType, media_type
from shared.domain.media.random_access import DamagedError, Window
from shared.domain.media.sniffing import sniff
from shared.domain.media.truncation import check_ending
from shared.examiner_child.demuxing import Opened, count_seconds, lasting, open_as
from shared.examiner_child.estimates import ENDS_BYTES, ends_of, estimate_seconds
from shared.examiner_child.files import ExaminedFile, Ranges
from shared.examiner_child.musepack import PACKET_SECONDS, promised_by_musepack
from shared.examiner_child.opening import behind_tags, open_recording

_LONGEST = 31 * 24 * 3600
"""Seconds. A file that claims more is damaged, not too long."""
_TOLD_BY_HEADERS = ("wav", "aiff", "flac", "mp4", "matroska", "avi", "asf")
"""Formats whose headers give the length if the rest of the file is not available."""
_SPEECH_OF_PHONES = ("amrnb", "amrwb", "amr_nb", "amr_wb")
_IN_OGG = ("vorbis", "opus", "flac", "speex", "theora", "dirac", "vp8")
_SOUND_ONLY: dict[Format, str] = {
    "matroska": "audio/x-matroska", "mpegts": "audio/mp2t", "realmedia": "audio/x-pn-realaudio",
    "asf": "audio/x-ms-wma", "ogg": "audio/ogg",
}  # fmt: skip
"""Types of films in these layouts that turn out to have no pictures."""
_FILMS: dict[Format, str] = {
    "matroska": "video/x-matroska", "mpegts": "video/mp2t", "realmedia": "video/vnd.rn-realvideo", "ogg": "video/ogg",
    "asf": "video/wmv",
}  # fmt: skip
"""And the other way round."""
_CUT = "The {} file is truncated: its header claims {:.1f} s of sound, only {:.1f} s are there. Upload it again."
_PROMISES: tuple[Format, ...] = ("mpeg-audio", "mp4", "ape", "tta", "tak", "wavpack", "musepack")
"""Formats whose index or header promises a length that may be taken for it: they have no gaps, or tell of them."""
_WITHOUT_LENGTHS = ("wmapro", "wmalossless")
"""Codecs whose packets do not say how long they last, so that the last one is not counted."""
_UNTOLD = "The file does not say how long it is."


def examine_recording(file: ExaminedFile, facts: Facts, whole_bytes: int) -> Facts:
    """Return the facts of a recording or film. Raises `DamagedError` if it is damaged, truncated or empty.

    Files of up to `whole_bytes` are read from start to end, and their packets counted.
    """
    start = behind_tags(file)
    facts = _behind_a_tag(file, start, facts)
    layout = facts.media_type.format
    window = Window(Ranges(file), start)
    facts = facts.model_copy(update={"warnings": (*facts.warnings, *check_ending(window, layout))})
    whole = file.size <= max(whole_bytes, 2 * ENDS_BYTES)
    opened = _open(file, start, layout, facts.media_type.label, whole)
    with opened.container:
        described = _described(facts, opened)
        try:
            measured = _measured(file, start, described, opened, whole)
        except (DamagedError, OSError):
            if not file.unavailable:
                raise
            measured = described
    if not file.unavailable:
        return measured
    return described if layout in _TOLD_BY_HEADERS else described.model_copy(update={"duration": None})


def _behind_a_tag(file: ExaminedFile, start: int, facts: Facts) -> Facts:
    """Return the facts with the type of what follows the tags, if the tags are longer than the sniffed head."""
    if start == 0:
        return facts
    if start >= file.size:
        raise DamagedError("The file holds no sound: it ends behind, or within, its tag. Upload it again.")
    sniffed = sniff(file.range(start, 64 << 10), "")
    if not isinstance(sniffed, MediaType) or sniffed.family not in ("audio", "video"):
        return facts
    return facts.model_copy(update={"media_type": sniffed.model_copy(update={"mismatch": facts.media_type.mismatch})})


def _open(file: ExaminedFile, start: int, layout: Format, label: str, whole: bool) -> Opened:
    try:
        # FFmpeg reads the headers of all fragments, which may be thousands, wherever they are.
        if layout == "mp4" and not whole and (ends := ends_of(file, start, layout)):
            return open_as(io.BytesIO(ends), layout)
        return open_recording(file, start, layout)
    except av.FFmpegError as error:
        if file.unavailable:
            raise OSError from error
        raise DamagedError(
            f"The file should be {label}, but its structure cannot be read: it is truncated or damaged."
        ) from error


def _described(facts: Facts, opened: Opened) -> Facts:
    kind, sound, pictures = facts.media_type, opened.sound, opened.pictures
    if sound is None and pictures is None:
        raise DamagedError("The file holds neither sound nor pictures: it has no tracks.")
    codec = _codec(sound)
    if kind.format == "ogg" and (_codec(pictures) or codec) not in _IN_OGG:
        raise DamagedError("The Ogg file holds no sound in Vorbis, Opus, FLAC or Speex.")
    refined = with_codecs(_refined(kind, pictures is not None, codec), codec, _codec(pictures))
    context = None if pictures is None else pictures.codec_context
    return facts.model_copy(
        update={
            "media_type": refined.model_copy(update={"mismatch": kind.mismatch}),
            "duration": opened.claimed or None,
            "width": (context.width if context else None) or None,
            "height": (context.height if context else None) or None,
            "has_audio": sound is not None,
            "has_video": pictures is not None,
        }
    )


def _codec(stream: Stream | None) -> str:
    return "" if stream is None or stream.codec_context is None else stream.codec_context.codec.canonical_name


def _refined(kind: MediaType, film: bool, codec: str) -> MediaType:
    if kind.mime.endswith("/webm"):
        return media_type("video/webm" if film else "audio/webm")
    if kind.format == "mp4":
        if film:
            return media_type("video/mp4") if kind.family == "audio" else kind
        # AMR, the sound of old telephones' 3GPP recordings, is known as part of 3GPP only.
        return media_type("audio/3gpp" if codec in _SPEECH_OF_PHONES else "audio/mp4")
    known = _FILMS if film else _SOUND_ONLY
    return kind if film == (kind.family == "video") or kind.format not in known else media_type(known[kind.format])


def _measured(file: ExaminedFile, start: int, facts: Facts, opened: Opened, whole: bool) -> Facts:
    layout = facts.media_type.format
    counted = count_seconds(opened, layout) if whole else None
    if counted is None:
        seconds = estimate_seconds(file, start, layout, opened)
        if layout == "flac":
            facts, seconds = _compared(facts, opened.claimed, seconds)
        _check_samples(file, opened, layout)
    elif counted <= 0:
        raise DamagedError("The file holds nothing to play: no sound and no picture was found behind its header.")
    elif opened.pictures is None and _codec(opened.sound) in _WITHOUT_LENGTHS:
        seconds = max(counted, opened.claimed)
    else:
        facts, seconds = _compared(facts, _promised(file, start, layout, opened), counted)
    if seconds > _LONGEST:
        raise DamagedError("The file claims to last for more than a month: its header is damaged.")
    untold = () if seconds > 0 else (_UNTOLD,)
    return facts.model_copy(update={"duration": seconds or None, "warnings": (*facts.warnings, *untold)})


def _check_samples(file: ExaminedFile, opened: Opened, layout: Format) -> None:
    """Check that uncompressed samples have their bytes."""
    context = None if opened.sound is None else opened.sound.codec_context
    if layout == "aiff" and context is not None and context.name.startswith("pcm") and context.bit_rate:
        there = file.size / (context.bit_rate / 8)
        if there * 1.01 < opened.claimed:
            raise DamagedError(_CUT.format("AIFF", opened.claimed, there))


def _promised(file: ExaminedFile, start: int, layout: Format, opened: Opened) -> float:
    """Return the seconds that the header or index gives; 0 if it gives none."""
    if layout == "mp4":
        # The length of the film is that of its longest track, which may hold chapters or subtitles.
        return max((lasting(stream) for stream in (opened.sound, opened.pictures)), default=0.0)
    return (promised_by_musepack(file.range(start, 256)) if layout == "musepack" else 0.0) or opened.claimed


def _compared(facts: Facts, claimed: float, counted: float) -> tuple[Facts, float]:
    """Compare the counted length with that of the header, in formats that have no gaps."""
    layout = facts.media_type.format
    short = claimed > counted * 1.02 + 0.4
    if layout in ("flac", "aiff") and short:
        name = "FLAC" if layout == "flac" else "AIFF"
        raise DamagedError(_CUT.format(name, claimed, counted))
    if layout in _PROMISES and short:
        note = f"The recording seems to have been cut: its index promises {claimed:.0f} s, {counted:.0f} s are there."
        return facts.model_copy(update={"warnings": (*facts.warnings, note)}), counted
    # The index also knows the silence that encoders put around the sound, and that Musepack's last packet is not full.
    agreed = 0 < claimed < counted < claimed + {"mpeg-audio": 0.2, "musepack": PACKET_SECONDS}.get(layout, 0.0)
    return facts, claimed if agreed else counted
