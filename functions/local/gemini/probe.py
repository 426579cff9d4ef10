"""Looks into bytes for what they are: reads headers and limited parts, never the whole of a large file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from functions.local.gemini.media import Finding, Kind, Media, Undecodable, kind_of
from functions.local.gemini.probe_document import probe_pdf, probe_text
from functions.local.gemini.probe_picture import probe_picture
from functions.local.gemini.probe_recording import probe_audio, probe_video

_PROBES: dict[Kind, Callable[[BinaryIO, int], Finding]] = {
    "audio": probe_audio,
    "video": probe_video,
    "image": probe_picture,
    "document": probe_pdf,
    "text": probe_text,
}


def probe_file(path: Path, mime_type: str) -> Media:
    """Blocking: call it in a thread. What cannot be decoded comes back with `error`."""
    with path.open("rb") as content:
        return _probe(content, mime_type)


def probe_bytes(data: bytes, mime_type: str) -> Media:
    return _probe(io.BytesIO(data), mime_type)


def _probe(content: BinaryIO, mime_type: str) -> Media:
    size = content.seek(0, os.SEEK_END)
    kind = kind_of(mime_type)
    media = Media(mime_type=mime_type, size=size, kind=kind)
    if kind is None:
        return media
    content.seek(0)
    try:
        return media.model_copy(update=dict(_PROBES[kind](content, size)))
    except Undecodable as error:
        return media.model_copy(update={"error": str(error)})
    except Exception as error:
        # Broken media breaks parsers in every way they can; what follows for the file is the same.
        return media.model_copy(update={"error": f"The {kind} could not be decoded: {error or type(error).__name__}"})
