"""Detect a file's type from its bytes. The name, then the declared type, only decide between kinds of text.

Uploaders guess types from names, and names can be wrong: a PNG named .mp3 is a PNG. A wrongly declared file is sent
with its real type and a warning. A file that cannot be sent is refused under its real type.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from shared.domain.media import office, signatures, text
from shared.domain.media.kinds import MediaType, kind_of_mime, kind_of_name, media_type
from shared.domain.media.link_files import link_in
from shared.domain.media.mpeg_frames import adts_frame, layer_frame
from shared.domain.media.office import UnsupportedKind
from shared.domain.media.random_access import MAX_READ, RandomAccess
from shared.domain.media.refusal import Refusal
from shared.domain.media.utf8_conversion import WHOLE, EncodingChecker

UNKNOWN = "unknown"
"""The encoding of a text that could not be detected here: the examiner detects it."""
HEAD = 64 * 1024
"""How many bytes from the start `sniff` needs, or the whole file if it is shorter."""

_HEIC = {b"heic", b"heix", b"heim", b"heis"}
_HEIC_SEQUENCE = {b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF = {b"mif1", b"msf1", b"mif2", b"miaf"}
_AVIF = {b"avif", b"avis"}
_MPEG_MIMES = {0: "audio/aac", 1: "audio/mpeg", 2: "audio/mpeg", 3: "audio/mp3"}
"""MIME types by MPEG audio layer; 0 stands for ADTS, which has no layers."""
_MAX_FRAME_BYTES = 8192
_FRAMES_FOR_CERTAINTY = 5
"""How many consecutive valid frames prove MPEG audio: no other file has as many by chance."""
_PDF_HEADER = re.compile(rb"%PDF-\d\.\d")
_PDF_OBJECT = re.compile(rb"\d[ \t\r\n]{1,8}\d{1,10}[ \t\r\n]{1,8}obj\b")
_PDF_FIRST_LINE = re.compile(rb"%PDF-\d\.\d[ \t]{0,8}(?:[\r\n]|\Z)")
_TOP_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_AUDIO_ENDINGS = (".m4a", ".m4b", ".m4p", ".weba")
_TAG_HEADER = 10
"""Bytes of an ID3v2 tag's header (ID3v2.4, section 3.1)."""
_MAX_TAGS = 4
"""How many consecutive tags are skipped at most."""


class _Head(NamedTuple):
    """The first bytes of a file, and its name."""

    data: bytes
    name: str
    is_text: bool
    """Whether the bytes are text in some encoding. Then a signature of letters alone proves no other format."""
    extra: bytes = b""
    """What follows an ID3v2 tag that extends past `data`; for archives and compound files, their directory."""


def identify(source: RandomAccess, name: str, declared: str | None = None, head: bytes = b"") -> MediaType | Refusal:
    """Return the type of a file, or why it is refused. `head`: its first `HEAD` bytes, if they were read already.

    If an ID3v2 tag is longer than `HEAD`, the bytes after it are read too; of a text, up to `WHOLE` bytes.
    """
    head = head or source.read(0, min(HEAD, source.size))
    at, after_tag = _end_of_tag(head), b""
    for _ in range(_MAX_TAGS):
        if at is None or at + _MAX_FRAME_BYTES < len(head) or at >= source.size:
            break
        after_tag = source.read(at, min(HEAD, source.size - at))
        more = _end_of_tag(after_tag)
        at = None if more is None else at + more
    sniffed = sniff(head, name, declared, after_tag or office.read_directory(source, head))
    if isinstance(sniffed, Refusal) or sniffed.format != "text":
        return sniffed
    if source.size <= len(head) and not text.has_words(head, sniffed.encoding):
        return _refuse_blank(name)
    if sniffed.encoding in (None, UNKNOWN):
        return sniffed
    checker = EncodingChecker(sniffed.encoding)
    checker.feed(head)
    for start in range(len(head), min(source.size, WHOLE), MAX_READ):
        checker.feed(source.read(start, min(MAX_READ, source.size - start)))
    # A short text was looked at as a whole before.
    encoding = sniffed.encoding if source.size <= len(head) else checker.encoding
    if encoding is None:
        return refuse(signatures.BINARY, name)
    return sniffed.model_copy(update={"encoding": encoding, "most_tokens": checker.most_tokens(source.size)})


def sniff(head: bytes, name: str, declared: str | None = None, extra: bytes = b"") -> MediaType | Refusal:
    """Return the type of a file that begins with `head` (`HEAD` bytes, or the whole file), or why it is refused."""
    if not head:
        return Refusal(
            code="empty_file",
            message=f"“{_short_name(name)}” is empty (0 bytes). Upload it again, and check that the upload was "
            "complete.",
        )
    if not head.strip(b"\0"):
        return Refusal(
            code="file_processing_failed",
            message=f"“{_short_name(name)}” holds only zeros: an upload or a disk went wrong. Upload it again.",
        )
    encoding = text.encoding_of(head)
    start = _Head(head, name, text.begins_as_text(head, encoding), extra)
    sniffed = _by_content(start) or _text_type(head, encoding, name, declared)
    if (
        isinstance(sniffed, MediaType)
        and sniffed.mime == "image/tiff"
        and name.lower().endswith(signatures.RAW_ENDINGS)
    ):
        sniffed = signatures.RAW_IMAGE
    if isinstance(sniffed, UnsupportedKind):
        return refuse(sniffed, name)
    return sniffed.model_copy(update={"mismatch": _mismatch(sniffed, name, declared)})


def _refuse_blank(name: str) -> Refusal:
    message = f"“{_short_name(name)}” holds no words, only blanks. Upload it again, and check that it was saved."
    return Refusal(code="empty_file", message=message)


def refuse(kind: UnsupportedKind, name: str) -> Refusal:
    """Return the refusal of an unsupported file."""
    return Refusal(
        code="unsupported_content_type",
        message=f"“{_short_name(name)}” is {kind.label}, which cannot be processed. {kind.advice}",
    )


def _by_content(head: _Head) -> MediaType | UnsupportedKind | None:
    for rule in _RULES:
        sniffed = rule(head)
        if sniffed is not None:
            return media_type(sniffed) if isinstance(sniffed, str) else sniffed
    return None


def _by_prefix(head: _Head) -> str | None:
    data = head.data
    if data.startswith(b"fLaC"):
        # The first block is STREAMINFO, of 34 bytes (RFC 9639, section 8.2).
        return (
            "audio/flac" if not head.is_text or (data[4:5] in (b"\0", b"\x80") and data[5:8] == b"\0\0\x22") else None
        )
    for prefix, mime in (
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"FLV\x01", "video/x-flv"),
        (b"\0\0\1\xba", "video/mpeg"),
        (b"\0\0\1\xb3", "video/mpeg"),
    ):
        if data.startswith(prefix):
            return mime
    return None


def _riff(head: _Head) -> str | UnsupportedKind | None:
    data = head.data
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return None if head.is_text and data[16:17] != b"\0" else "audio/aiff"
    if data[:4] not in (b"RIFF", b"RF64", b"BW64", b"RIFX"):
        return None
    kinds = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/avi"}
    # The first chunk is a header below 16 MiB, so the highest byte of its size is zero.
    proof = data[16:17] if data[:4] == b"RIFX" else data[19:20]
    if head.is_text and (proof != b"\0" or data[8:12] not in kinds):
        return None
    return kinds.get(data[8:12], signatures.RIFF_OTHER)


def _iso(start: _Head) -> str | UnsupportedKind | None:
    head, name = start.data, start.name
    if start.is_text and head[:1] != b"\0":
        # The first box is a header below 16 MiB, so its first byte is zero, which no text begins with.
        return None
    if head[4:8] in _TOP_BOXES and int.from_bytes(head[:4], "big") >= 8:
        return "video/mov"
    if head[4:8] != b"ftyp" or len(head) < 12:
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] in _HEIC_SEQUENCE or (brands[0] == b"msf1" and _HEIC_SEQUENCE.intersection(brands)):
        return "image/heic-sequence"
    for accepted, kind in ((_HEIC, "image/heic"), (_AVIF, "image/avif"), (_HEIF, "image/heif")):
        if brands[0] in accepted or (brands[0] in _HEIF and accepted.intersection(brands)):
            return kind
    if brands[0] in (b"M4A ", b"M4B ", b"M4P ") or name.lower().endswith(_AUDIO_ENDINGS):
        return "audio/mp4"
    if brands[0] in (b"jp2 ", b"jpx "):
        return "image/jp2"
    if brands[0] in (b"jxl ", b"crx "):
        return UnsupportedKind("a JPEG XL or raw camera image", "Convert it to PNG or JPEG and drop that.")
    if brands[0] == b"qt  ":
        return "video/mov"
    return "video/3gpp" if brands[0].startswith((b"3gp", b"3gr", b"3gs")) else "video/mp4"


def _matroska(start: _Head) -> str | None:
    head = start.data
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    # Tracks come before the first cluster. Each holds TrackType (0x83), one byte long: 1 is video, 2 is audio.
    tracks = head[: head.find(b"\x1f\x43\xb6\x75")] if b"\x1f\x43\xb6\x75" in head else head
    family = "audio" if b"\x83\x81\x02" in tracks and b"\x83\x81\x01" not in tracks else "video"
    return f"{family}/webm" if b"webm" in head[:64] else f"{family}/x-matroska"


def _ogg(start: _Head) -> str | None:
    head = start.data
    # A page's version is 0, its flags are three bits (RFC 3533, section 6).
    if not head.startswith(b"OggS") or (start.is_text and (head[4:5] != b"\0" or head[5:6] > b"\x07")):
        return None
    beginnings = head[:4096]
    video = b"\x80theora" in beginnings or b"BBCD\0" in beginnings or b"OVP80" in beginnings
    return "video/ogg" if video else "audio/ogg"


def _asf(start: _Head) -> str | None:
    head = start.data
    if not head.startswith(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
        return None
    video_stream = b"\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
    return "video/wmv" if video_stream in head else "audio/x-ms-wma"


def _pdf(start: _Head) -> str | None:
    # Readers accept up to 1,024 bytes before the header. A text that only mentions PDFs is not one.
    head = start.data
    header = _PDF_HEADER.search(head, 0, 1032)
    if header is None:
        return "application/pdf" if head.startswith(b"%PDF-") and not start.is_text else None
    if not start.is_text:
        return "application/pdf"
    named = (kind := kind_of_name(start.name)) is not None and kind.family == "pdf"
    spaces_only = not head[: header.start()].strip(b"\xef\xbb\xbf\0 \t\r\n")
    proven = _PDF_OBJECT.search(head, header.end()) or (named and _PDF_FIRST_LINE.match(head, header.start()))
    return "application/pdf" if proven and (spaces_only or named) else None


def _mpeg_audio(start: _Head) -> str | UnsupportedKind | None:
    head = start.data
    if head.startswith(b"ID3"):
        at = _end_of_tag(head)
        if at is not None:
            return _after_id3(start, at)
        return None if start.is_text else "audio/mp3"
    if head.startswith(b"\xff\xfe") and start.is_text:
        return None
    padding = len(head) - len(head.lstrip(b"\0"))
    return _frames_at(head, 0) or _frames_at(head, padding) or _frames_within(head)


def _end_of_tag(head: bytes) -> int | None:
    """Return the end of an ID3v2 tag at the start; None if there is none. Its size is four bytes of seven bits."""
    sized = head[6:_TAG_HEADER]
    if head[:3] != b"ID3" or len(sized) < 4 or head[3] not in (2, 3, 4) or any(byte > 0x7F for byte in sized):
        return None
    size = 0
    for byte in sized:
        size = size << 7 | byte
    footer = _TAG_HEADER if head[3] == 4 and head[5] & 0x10 else 0
    return _TAG_HEADER + size + footer


def _after_id3(head: _Head, at: int) -> str | UnsupportedKind:
    """Return the type of what follows an ID3v2 tag: players put such tags before all kinds of audio."""
    rest = head.extra or head.data[at:]
    if (next_end := _end_of_tag(rest)) is not None and next_end < len(rest):
        rest = rest[next_end:]
    after_tag = _Head(rest, head.name, is_text=False)
    for rule in (_by_prefix, _riff, _ogg):
        sniffed = rule(after_tag)
        if sniffed is not None:
            return sniffed
    return signatures.identify_by_signature(rest, reads_as_text=False) or _frames_at(rest, 0) or "audio/mp3"


def _frames_within(head: bytes) -> str | None:
    """Recognise recordings cut from a stream. They may start within a frame, so several frames must follow."""
    at = head.find(b"\xff", 1, _MAX_FRAME_BYTES)
    while at >= 0:
        mime = _frames_at(head, at, least=_FRAMES_FOR_CERTAINTY)
        if mime in ("audio/mp3", "audio/aac"):
            return mime
        at = head.find(b"\xff", at + 1, _MAX_FRAME_BYTES)
    return None


def _frames_at(head: bytes, start: int, least: int = 2) -> str | None:
    """Return the type of `least` consecutive MPEG or ADTS frames, or of all frames up to the end of the data."""
    kinds, at = set[tuple[int, int]](), start
    for _ in range(least):
        frame = layer_frame(head[at : at + 4]) or adts_frame(head[at : at + 7])
        if frame is None:
            if at != len(head):
                return None
            break
        kinds.add((frame.layer, frame.rate))
        at += frame.length
    return _MPEG_MIMES[kinds.pop()[0]] if len(kinds) == 1 else None


def _by_signature(head: _Head) -> UnsupportedKind | str | None:
    return signatures.identify_by_signature(
        head.data, reads_as_text=head.is_text, is_whole=len(head.data) < HEAD, directory=head.extra
    )


_RULES: tuple[Callable[[_Head], str | UnsupportedKind | None], ...] = (
    _by_prefix, _riff, _iso, _matroska, _ogg, _asf, _pdf, _by_signature, _mpeg_audio,
)  # fmt: skip


def _text_type(head: bytes, encoding: str | None, name: str, declared: str | None) -> MediaType | UnsupportedKind:
    if encoding is None:
        return signatures.BINARY
    if (link := link_in(head, name)) is not None:
        return link
    inside = text.kind_by_content(head, encoding, name) if encoding != UNKNOWN else None
    if inside == "image/svg+xml":
        return signatures.SVG
    if inside is not None:
        return media_type(inside, encoding)
    named = kind_of_name(name)
    if (named is None or named.mime == "text/plain") and text.starts_with_mail_header(head):
        return media_type("message/rfc822", encoding)
    for kind in (named, kind_of_mime(declared)):
        if kind is not None and (kind.format == "text" or (kind.format == "mail" and text.looks_like_mail(head))):
            return media_type(kind.mime, encoding)
    return media_type("text/plain", encoding)


def _mismatch(media_type: MediaType, name: str, declared: str | None) -> str | None:
    """Return a warning if the name or the declared type is of another family or format."""
    for kind, source in ((kind_of_name(name), "is named like"), (kind_of_mime(declared), "was uploaded as")):
        if kind is not None and (kind.family, kind.format) != (media_type.family, media_type.format):
            if kind.format == media_type.format and media_type.format in ("mp4", "matroska"):
                continue
            return f"The file {source} {kind.label}, but is {media_type.label}; it was taken for what it is."
    return None


def _short_name(name: str) -> str:
    """Return the last part of an object's name, short enough for a sentence."""
    last = name.rstrip("/").rpartition("/")[2] or name
    return last if len(last) <= 80 else f"{last[:60]}…{last[-16:]}"
