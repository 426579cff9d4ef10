"""Probes media files. Runs in a child process (`prober`), because the libraries may hang or crash on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from local.standins.gemini.media import Finding, Kind, Media, Undecodable, kind_of
from local.standins.gemini.probe_document import probe_pdf
from local.standins.gemini.probe_picture import probe_picture
from local.standins.gemini.probe_sound import probe_audio, probe_video

_PROBES: dict[Kind, Callable[[Path, int], Finding]] = {
    "audio": probe_audio,
    "video": probe_video,
    "image": probe_picture,
    "document": probe_pdf,
}


def probe_file(file: Path, mime_type: str) -> Media:
    """Return what the file holds. What cannot be decoded comes back with `error`."""
    kind, size = kind_of(mime_type), file.stat().st_size
    media = Media(mime_type=mime_type, size=size, kind=kind)
    if kind is None or kind not in _PROBES:
        return media
    try:
        return media.model_copy(update=dict(_PROBES[kind](file, size)))
    except Undecodable as error:
        return media.model_copy(update={"error": str(error)})
    except Exception as error:
        # Broken media breaks parsers in every way they can; what follows for the file is the same.
        return media.model_copy(update={"error": f"The {kind} could not be decoded: {error or type(error).__name__}"})
