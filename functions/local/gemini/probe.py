"""Looks into a file's bytes for what it is: reads headers and limited parts, never the whole of a large file."""

from __future__ import annotations

from pathlib import Path

from functions.local.gemini.media import Media, kind_of


def probe(path: Path, mime_type: str) -> Media:
    """Blocking: call it in a thread. What cannot be decoded comes back with `error`."""
    return Media(mime_type=mime_type, size=path.stat().st_size, kind=kind_of(mime_type))
