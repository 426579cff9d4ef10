"""The kinds of media that Gemini accepts, the kinds that are converted to one of these, and their names.

Audio types: Gemini API guide "Audio understanding", supported formats; M4A from the task API that Dropsight honours.
Text types and PDF: guides "Document understanding" and "File prompting". Image and video types: the guides of the same
names. WebM video and MPEG audio are in Google's list for the same models on Vertex AI.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

Family = Literal["audio", "image", "pdf", "text", "video"]
"""A kind of input; a model's inputs are a set of these."""

Format = Literal[
    "wav", "aiff", "flac", "mpeg-audio", "adts", "ogg", "mp4", "matroska", "avi", "flv", "mpeg", "asf",
    "png", "jpeg", "webp", "heif", "pdf", "text",
    "amr", "caf", "au", "w64", "ape", "wavpack", "tta", "dsf", "loas", "mpegts", "realmedia",
    "ac3", "dts", "musepack", "tak", "dff", "voc", "mxf", "dv",
    "picture", "heif-sequence", "word", "slides", "sheets", "opendocument", "book", "rich-text", "mail", "outlook",
]  # fmt: skip
"""How the bytes are laid out: one parser each. Several types share one (audio/mp4, video/mp4, video/mov)."""

Preparation = Literal["transcode", "render", "extract"]
"""How a file that Gemini does not accept is prepared: encode sound or film anew, redraw pictures, or extract text and
pictures from a document."""


class Kind(NamedTuple):
    """One row of the table: a MIME type as it is sent to Gemini, or a type that is converted."""

    mime: str
    family: Family
    """For documents that are converted: the family that they are sent as."""
    format: Format
    label: str
    preparation: Preparation | None = None
    """How the file is prepared before it is sent; None if it is sent unchanged."""


class MediaType(BaseModel):
    """What a file really is. `mime` is the type it is sent with, whatever the uploader declared."""

    model_config = ConfigDict(frozen=True)

    mime: str
    family: Family
    format: Format
    label: str
    """The name in sentences, such as "a WAV recording"."""
    encoding: str | None = None
    """The codec of a text, by its Python name. Anything but "utf-8" is converted before it is sent."""
    most_tokens: int | None = None
    """How many tokens a text has at most; None if they were not counted."""
    mismatch: str | None = None
    """A warning if the name or the declared type stands for another kind of file."""
    preparation: Preparation | None = None
    """How the file is prepared before it is sent; None if it is sent unchanged."""


_KINDS = (
    Kind("audio/wav", "audio", "wav", "a WAV recording"),
    Kind("audio/mp3", "audio", "mpeg-audio", "an MP3 recording"),
    Kind("audio/mpeg", "audio", "mpeg-audio", "an MPEG audio recording"),
    Kind("audio/aiff", "audio", "aiff", "an AIFF recording"),
    Kind("audio/aac", "audio", "adts", "an AAC recording"),
    Kind("audio/ogg", "audio", "ogg", "an Ogg recording"),
    Kind("audio/flac", "audio", "flac", "a FLAC recording"),
    Kind("audio/mp4", "audio", "mp4", "an M4A recording"),
    Kind("image/png", "image", "png", "a PNG image"),
    Kind("image/jpeg", "image", "jpeg", "a JPEG image"),
    Kind("image/webp", "image", "webp", "a WebP image"),
    Kind("image/heic", "image", "heif", "a HEIC image"),
    Kind("image/heif", "image", "heif", "a HEIF image"),
    Kind("video/mp4", "video", "mp4", "an MP4 video"),
    Kind("video/mpeg", "video", "mpeg", "an MPEG video"),
    Kind("video/mov", "video", "mp4", "a QuickTime video"),
    Kind("video/avi", "video", "avi", "an AVI video"),
    Kind("video/x-flv", "video", "flv", "a Flash video"),
    Kind("video/webm", "video", "matroska", "a WebM video"),
    Kind("video/wmv", "video", "asf", "a Windows Media video"),
    Kind("video/3gpp", "video", "mp4", "a 3GPP video"),
    Kind("application/pdf", "pdf", "pdf", "a PDF document"),
    Kind("text/plain", "text", "text", "a text file"),
    Kind("text/html", "text", "text", "an HTML page"),
    Kind("text/css", "text", "text", "a CSS style sheet"),
    Kind("text/javascript", "text", "text", "a JavaScript file"),
    Kind("text/x-typescript", "text", "text", "a TypeScript file"),
    Kind("text/csv", "text", "text", "a CSV table"),
    Kind("text/markdown", "text", "text", "a Markdown text"),
    Kind("text/x-python", "text", "text", "a Python file"),
    Kind("application/json", "text", "text", "a JSON file"),
    Kind("text/xml", "text", "text", "an XML file"),
)

KINDS: dict[str, Kind] = {kind.mime: kind for kind in _KINDS}
"""Every type that may be sent, by its MIME type."""

_OOXML = "application/vnd.openxmlformats-officedocument"
_ODF = "application/vnd.oasis.opendocument"
_CONVERTIBLE = (
    Kind("audio/amr", "audio", "amr", "an AMR recording", "transcode"),
    Kind("audio/x-caf", "audio", "caf", "a Core Audio recording", "transcode"),
    Kind("audio/basic", "audio", "au", "a Sun AU recording", "transcode"),
    Kind("audio/x-ms-wma", "audio", "asf", "a Windows Media recording", "transcode"),
    Kind("audio/webm", "audio", "matroska", "a WebM recording", "transcode"),
    Kind("audio/x-matroska", "audio", "matroska", "a Matroska recording", "transcode"),
    Kind("audio/3gpp", "audio", "mp4", "a 3GPP recording", "transcode"),
    Kind("audio/x-w64", "audio", "w64", "a Wave64 recording", "transcode"),
    Kind("audio/x-ape", "audio", "ape", "a Monkey's Audio recording", "transcode"),
    Kind("audio/x-wavpack", "audio", "wavpack", "a WavPack recording", "transcode"),
    Kind("audio/x-tta", "audio", "tta", "a True Audio recording", "transcode"),
    Kind("audio/x-dsf", "audio", "dsf", "a DSD recording", "transcode"),
    Kind("audio/x-loas", "audio", "loas", "an AAC recording in LOAS frames", "transcode"),
    Kind("audio/ac3", "audio", "ac3", "a Dolby Digital (AC-3) recording", "transcode"),
    Kind("audio/vnd.dts", "audio", "dts", "a DTS recording", "transcode"),
    Kind("audio/x-musepack", "audio", "musepack", "a Musepack recording", "transcode"),
    Kind("audio/x-tak", "audio", "tak", "a TAK recording", "transcode"),
    Kind("audio/x-dff", "audio", "dff", "a DSD recording (DSDIFF)", "transcode"),
    Kind("audio/x-voc", "audio", "voc", "a Creative Voice recording", "transcode"),
    Kind("audio/mp2t", "audio", "mpegts", "a recording in an MPEG transport stream", "transcode"),
    Kind("audio/x-pn-realaudio", "audio", "realmedia", "a RealAudio recording", "transcode"),
    Kind("video/x-matroska", "video", "matroska", "a Matroska video", "transcode"),
    Kind("video/mp2t", "video", "mpegts", "an MPEG transport stream", "transcode"),
    Kind("video/ogg", "video", "ogg", "an Ogg video", "transcode"),
    Kind("video/mxf", "video", "mxf", "an MXF video", "transcode"),
    Kind("video/dv", "video", "dv", "a DV video", "transcode"),
    Kind("video/vnd.rn-realvideo", "video", "realmedia", "a RealMedia video", "transcode"),
    Kind("image/tiff", "image", "picture", "a TIFF image", "render"),
    Kind("image/bmp", "image", "picture", "a BMP image", "render"),
    Kind("image/gif", "image", "picture", "a GIF image", "render"),
    Kind("image/avif", "image", "picture", "an AVIF image", "render"),
    Kind("image/jp2", "image", "picture", "a JPEG 2000 image", "render"),
    Kind("image/x-icon", "image", "picture", "an icon (ICO)", "render"),
    Kind("image/vnd.adobe.photoshop", "image", "picture", "a Photoshop image", "render"),
    Kind("image/heic-sequence", "image", "heif-sequence", "a sequence of HEIC images", "render"),
    Kind(f"{_OOXML}.wordprocessingml.document", "text", "word", "a Word document", "extract"),
    Kind(f"{_OOXML}.presentationml.presentation", "text", "slides", "a PowerPoint presentation", "extract"),
    Kind(f"{_OOXML}.spreadsheetml.sheet", "text", "sheets", "an Excel workbook", "extract"),
    Kind(f"{_ODF}.text", "text", "opendocument", "an OpenDocument text", "extract"),
    Kind(f"{_ODF}.spreadsheet", "text", "opendocument", "an OpenDocument spreadsheet", "extract"),
    Kind(f"{_ODF}.presentation", "text", "opendocument", "an OpenDocument presentation", "extract"),
    Kind("application/epub+zip", "text", "book", "an EPUB book", "extract"),
    Kind("text/rtf", "text", "rich-text", "a rich text (RTF) file", "extract"),
    Kind("message/rfc822", "text", "mail", "an e-mail", "extract"),
    Kind("application/vnd.ms-outlook", "text", "outlook", "an Outlook message", "extract"),
)
CONVERTIBLE: dict[str, Kind] = {kind.mime: kind for kind in _CONVERTIBLE}
"""Every type that is converted before it is sent, by its MIME type."""
_ALL = {**KINDS, **CONVERTIBLE}

_ALIASES = {
    "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav", "audio/mpeg3": "audio/mp3",
    "audio/x-mp3": "audio/mp3", "audio/mpga": "audio/mpeg", "audio/x-aiff": "audio/aiff", "audio/x-aac": "audio/aac",
    "audio/aacp": "audio/aac", "audio/opus": "audio/ogg", "audio/vorbis": "audio/ogg", "application/ogg": "audio/ogg",
    "audio/x-flac": "audio/flac", "audio/m4a": "audio/mp4", "audio/x-m4a": "audio/mp4", "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg", "image/x-png": "image/png", "video/quicktime": "video/mov", "video/mpg": "video/mpeg",
    "video/x-mpeg": "video/mpeg", "video/msvideo": "video/avi", "video/x-msvideo": "video/avi",
    "video/flv": "video/x-flv", "video/x-ms-wmv": "video/wmv", "video/3gp": "video/3gpp", "video/x-m4v": "video/mp4",
    "application/x-pdf": "application/pdf", "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript", "application/x-typescript": "text/x-typescript",
    "application/typescript": "text/x-typescript", "application/x-python-code": "text/x-python",
    "application/x-python": "text/x-python", "text/md": "text/markdown", "text/x-markdown": "text/markdown",
    "application/csv": "text/csv", "application/xml": "text/xml", "application/rtf": "text/rtf",
    "application/xhtml+xml": "text/html", "text/json": "application/json", "audio/amr-wb": "audio/amr",
    "audio/x-amr": "audio/amr", "audio/wma": "audio/x-ms-wma", "audio/au": "audio/basic", "audio/3gp": "audio/3gpp",
    "video/matroska": "video/x-matroska", "audio/matroska": "audio/x-matroska", "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp", "image/tif": "image/tiff", "image/x-tiff": "image/tiff", "image/ico": "image/x-icon",
    "image/vnd.microsoft.icon": "image/x-icon", "image/x-photoshop": "image/vnd.adobe.photoshop",
    "image/heif-sequence": "image/heic-sequence", "image/jpeg2000": "image/jp2",
    "video/vnd.dlna.mpeg-tts": "video/mp2t", "audio/eac3": "audio/ac3", "audio/vnd.dolby.dd-raw": "audio/ac3",
    "audio/musepack": "audio/x-musepack", "application/mxf": "video/mxf", "video/x-dv": "video/dv",
    "multipart/related": "message/rfc822", "application/x-mimearchive": "message/rfc822",
    "application/vnd.ms-word.document.macroenabled.12": f"{_OOXML}.wordprocessingml.document",
    "application/vnd.ms-excel.sheet.macroenabled.12": f"{_OOXML}.spreadsheetml.sheet",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": f"{_OOXML}.presentationml.presentation",
}  # fmt: skip

_BY_SUFFIX = {
    "wav": "audio/wav", "mp3": "audio/mp3", "mp2": "audio/mpeg", "mpga": "audio/mpeg", "aif": "audio/aiff",
    "aiff": "audio/aiff", "aifc": "audio/aiff", "aac": "audio/aac", "ogg": "audio/ogg", "oga": "audio/ogg",
    "opus": "audio/ogg", "flac": "audio/flac", "m4a": "audio/mp4", "m4b": "audio/mp4", "weba": "audio/webm",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg", "webp": "image/webp",
    "heic": "image/heic", "heif": "image/heif", "mp4": "video/mp4", "m4v": "video/mp4", "mpeg": "video/mpeg",
    "mpg": "video/mpeg", "mov": "video/mov", "qt": "video/mov", "avi": "video/avi", "flv": "video/x-flv",
    "webm": "video/webm", "wmv": "video/wmv", "3gp": "video/3gpp", "3gpp": "video/3gpp", "pdf": "application/pdf",
    "txt": "text/plain", "text": "text/plain", "log": "text/plain", "srt": "text/plain", "vtt": "text/plain",
    "html": "text/html", "htm": "text/html", "xhtml": "text/html", "css": "text/css", "js": "text/javascript",
    "mjs": "text/javascript", "ts": "text/x-typescript", "tsx": "text/x-typescript", "csv": "text/csv",
    "md": "text/markdown", "markdown": "text/markdown", "py": "text/x-python", "json": "application/json",
    "xml": "text/xml", "rtf": "text/rtf", "amr": "audio/amr", "awb": "audio/amr", "caf": "audio/x-caf",
    "au": "audio/basic", "snd": "audio/basic", "wma": "audio/x-ms-wma", "mka": "audio/x-matroska",
    "mkv": "video/x-matroska", "w64": "audio/x-w64", "ape": "audio/x-ape", "wv": "audio/x-wavpack",
    "tta": "audio/x-tta", "dsf": "audio/x-dsf", "m2ts": "video/mp2t", "mts": "video/mp2t", "ogv": "video/ogg",
    "rm": "video/vnd.rn-realvideo", "rmvb": "video/vnd.rn-realvideo", "ra": "audio/x-pn-realaudio",
    "tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp", "gif": "image/gif", "avif": "image/avif",
    "jp2": "image/jp2", "ico": "image/x-icon", "psd": "image/vnd.adobe.photoshop", "heics": "image/heic-sequence",
    "docx": f"{_OOXML}.wordprocessingml.document", "docm": f"{_OOXML}.wordprocessingml.document",
    "pptx": f"{_OOXML}.presentationml.presentation", "pptm": f"{_OOXML}.presentationml.presentation",
    "ppsx": f"{_OOXML}.presentationml.presentation", "xlsx": f"{_OOXML}.spreadsheetml.sheet",
    "xlsm": f"{_OOXML}.spreadsheetml.sheet", "odt": f"{_ODF}.text", "ods": f"{_ODF}.spreadsheet",
    "odp": f"{_ODF}.presentation", "epub": "application/epub+zip", "eml": "message/rfc822",
    "msg": "application/vnd.ms-outlook", "mht": "message/rfc822", "mhtml": "message/rfc822", "ac3": "audio/ac3",
    "eac3": "audio/ac3", "ec3": "audio/ac3", "dts": "audio/vnd.dts", "mpc": "audio/x-musepack", "tak": "audio/x-tak",
    "dff": "audio/x-dff", "voc": "audio/x-voc", "mxf": "video/mxf", "dv": "video/dv",
}  # fmt: skip


def kind_of_mime(declared: str | None) -> Kind | None:
    """Return the kind of a declared MIME type, ignoring parameters and case and resolving aliases."""
    if not declared:
        return None
    plain = declared.partition(";")[0].strip().lower()
    return _ALL.get(_ALIASES.get(plain, plain))


def kind_of_name(name: str) -> Kind | None:
    """Return the kind of a file name's ending; None if it is unknown."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return _ALL.get(_BY_SUFFIX.get(suffix.lower(), "")) if dot and stem else None


def media_type(mime: str, encoding: str | None = None) -> MediaType:
    """Return the type with this MIME type, which must be one of `KINDS` or `CONVERTIBLE`."""
    return MediaType(**_ALL[mime]._asdict(), encoding=encoding)
