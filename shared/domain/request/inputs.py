"""List the files of a request, in the order in which they are sent to the model."""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple, assert_never
from urllib.parse import urlsplit

from shared.domain.errors import FieldRefused
from shared.domain.media import Family, kind_of_mime, kind_of_name
from shared.domain.request.messages import (
    AudioPart,
    FilePart,
    FileUrlPart,
    ImagePart,
    InputAudioPart,
    MediaPart,
    TextPart,
    VideoPart,
    Where,
)
from shared.domain.request.schema import Submission

_DATA = re.compile(r"data:(?P<type>[a-z0-9.+-]+/[a-z0-9.+-]+)(?:;[a-z0-9-]+=[^;,]*)*;base64,", re.IGNORECASE)
_OBJECT = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,221})/(?P<name>[^\0\r\n]{1,1024})", re.DOTALL)
_LONGEST_NAME = 1024
"""Bytes in UTF-8 (Cloud Storage)."""
_WEB = re.compile(r"https?://[^\s\x00-\x20\x7f\\]{1,8192}", re.IGNORECASE)
_AUDIO_TYPES = {"mp3": "audio/mp3", "m4a": "audio/mp4"}


class Inline(NamedTuple):
    """Inline data, still in base64."""

    param: str
    family: Family | None
    """The family that the part's type requires; None for any file."""
    mime: str
    encoded: str

    @property
    def size(self) -> int:
        """Decoded size in bytes."""
        return len(self.encoded) * 3 // 4 - self.encoded[-2:].count("=")

    @property
    def declared_family(self) -> Family | None:
        """The family according to the request. The real one is known once the file is read."""
        kind = kind_of_mime(self.mime)
        return self.family or (kind.family if kind else None)

    def data(self) -> bytes:
        return base64.b64decode(self.encoded)


class StoredInput(NamedTuple):
    """An object of Cloud Storage."""

    param: str
    family: Family | None
    bucket: str
    name: str
    generation: int | None = None

    @property
    def uri(self) -> str:
        return f"gs://{self.bucket}/{self.name}"

    @property
    def declared_family(self) -> Family | None:
        kind = kind_of_name(self.name)
        return self.family or (kind.family if kind else None)


class Remote(NamedTuple):
    """A file on the web."""

    param: str
    family: Family | None
    url: str

    @property
    def declared_family(self) -> Family | None:
        return self.family


Input = Inline | StoredInput | Remote


def inputs_of(submission: Submission) -> list[Input]:
    """Return the files that the request names. Raises `RequestRefused` for an address that cannot be used."""
    if submission.audio_url is not None:
        return [_located("audio_url", "audio", Where(url=submission.audio_url))]
    return [
        input_of(part, f"messages.{turn}.content.{place}")
        for turn, message in enumerate(submission.messages or [])
        for place, part in enumerate(message.parts)
        if not isinstance(part, TextPart)
    ]


def input_of(part: MediaPart, param: str) -> Input:
    match part:
        case ImagePart():
            return _located(f"{param}.image_url.url", "image", part.image_url)
        case VideoPart():
            return _located(f"{param}.video_url.url", "video", part.video_url)
        case AudioPart():
            return _located(f"{param}.audio_url.url", "audio", part.audio_url)
        case FileUrlPart():
            return _located(f"{param}.file_url.url", None, part.file_url)
        case InputAudioPart():
            form = part.input_audio.format
            mime = _AUDIO_TYPES.get(form, f"audio/{form}")
            return _inline(f"{param}.input_audio.data", "audio", mime, part.input_audio.data)
        case FilePart():
            return _located(f"{param}.file.file_data", None, Where(url=part.file.file_data))
        case _:
            assert_never(part)


def _located(param: str, family: Family | None, where: Where) -> Input:
    if (data := _DATA.match(where.url)) is not None:
        return _inline(param, family, data["type"].lower(), where.url[data.end() :])
    if (address := _OBJECT.fullmatch(where.url)) is not None:
        if len(address["name"].encode()) > _LONGEST_NAME or address["name"] in (".", ".."):
            raise FieldRefused(param, f"{param}: Cloud Storage has no object of such a name.")
        generation = int(where.generation) if where.generation else None
        return StoredInput(param, family, address["bucket"], address["name"], generation)
    if _WEB.fullmatch(where.url) is not None:
        try:
            urlsplit(where.url)
        except ValueError as error:
            raise FieldRefused(param, f"{param}: the URL cannot be read: {error}.") from None
        return Remote(param, family, where.url)
    if where.url[:5].lower() == "data:":
        raise FieldRefused(
            param,
            f"{param}: inline data is written data:<type>;base64,<payload>, with its media type, for example "
            "data:audio/wav;base64,UklGR…",
        )
    raise FieldRefused(
        param,
        f"{param}: {where.url[:60]!r} is no address that is taken: write https://…, http://…, gs://bucket/object or "
        "data:<type>;base64,<payload>.",
    )


def _inline(param: str, family: Family | None, mime: str, encoded: str) -> Inline:
    kind = kind_of_mime(mime)
    if kind is None:
        raise FieldRefused(
            param, f"{param}: Gemini does not take files of the type {mime}.", "unsupported_content_type"
        )
    if family is not None and kind.family != family:
        raise FieldRefused(param, f"{param}: {mime} is no {family}.", "unsupported_content_type")
    try:
        if len(encoded) % 4:
            raise ValueError("its length is no multiple of 4, so its end or its padding (=) is missing")
        base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FieldRefused(param, f"{param}: the inline data is no base64: {error}") from None
    if not encoded:
        raise FieldRefused(param, f"{param}: the inline data is empty.")
    return Inline(param, family, kind.mime, encoded)
