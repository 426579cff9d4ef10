"""A file's kind, by MIME type, and its probed properties."""

from __future__ import annotations

from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict

Kind = Literal["audio", "video", "image", "document", "text"]

_AUDIO = [
    "wav",
    "x-wav",
    "wave",
    "vnd.wave",
    "mp3",
    "mpeg",
    "mpga",
    "mpeg3",
    "x-mpeg",
    "aiff",
    "x-aiff",
    "aac",
    "x-aac",
    "aacp",
    "ogg",
    "opus",
    "vorbis",
    "flac",
    "x-flac",
    "mp4",
    "m4a",
    "x-m4a",
    "webm",
]
_VIDEO = [
    "mp4",
    "mpeg",
    "mov",
    "quicktime",
    "avi",
    "x-msvideo",
    "x-flv",
    "mpg",
    "mpegps",
    "webm",
    "wmv",
    "x-ms-wmv",
    "3gpp",
    "x-matroska",
]
_IMAGE = ["png", "jpeg", "jpg", "webp", "heic", "heif"]
_TEXT = [
    "application/json",
    "application/xml",
    "application/javascript",
    "application/x-javascript",
    "application/typescript",
    "application/x-typescript",
    "application/x-python",
    "application/x-python-code",
    "application/rtf",
    "application/x-ipynb+json",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/sql",
    "application/x-sh",
    "application/csv",
    "application/xhtml+xml",
    "application/x-ndjson",
    "application/jsonl",
    "application/x-subrip",
]

KIND_OF_MIME_TYPE: dict[str, Kind] = {
    **{f"audio/{name}": "audio" for name in _AUDIO},
    **{f"video/{name}": "video" for name in _VIDEO},
    **{f"image/{name}": "image" for name in _IMAGE},
    **dict.fromkeys(_TEXT, "text"),
    "application/pdf": "document",
    "application/x-pdf": "document",
    "application/ogg": "audio",
}


def kind_of(mime_type: str) -> Kind | None:
    """Return the kind of a MIME type, or None if no Gemini model takes it."""
    essence = mime_type.partition(";")[0].strip().lower()
    if essence.startswith("text/"):
        return "text"
    return KIND_OF_MIME_TYPE.get(essence)


class Media(BaseModel):
    """The probed properties of a file. Durations are in seconds, `size` in bytes."""

    model_config = ConfigDict(frozen=True)

    mime_type: str
    size: int
    kind: Kind | None = None
    container: str = ""
    duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    width: int = 0
    height: int = 0
    has_audio: bool = False
    pages: int = 0
    colours: tuple[str, ...] = ()
    text: str = ""
    """The first text in it."""
    characters: int = 0
    """Of a text file, all of it."""
    dense: int = 0
    """How many of the characters take a token each."""
    lines: int = 0
    rows: tuple[str, ...] = ()
    """Of a document, the lines whose cells are divided by `|`: the rows of its tables. Of a scan, its lines."""
    rows_of_pages: tuple[int, ...] = ()
    """How many of the rows each page holds."""
    error: str = ""
    """Why it could not be decoded; empty when it could."""


class Finding(TypedDict, total=False):
    """The fields of `Media` that a probe fills in."""

    container: str
    duration: float
    sample_rate: int
    channels: int
    width: int
    height: int
    has_audio: bool
    pages: int
    colours: tuple[str, ...]
    text: str
    characters: int
    dense: int
    lines: int
    rows: tuple[str, ...]
    rows_of_pages: tuple[int, ...]


class Undecodable(Exception):
    """The bytes are not what the MIME type promises, or are broken. The message says how."""
