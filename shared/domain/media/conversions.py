"""Decide which recordings and films are re-encoded, and to which type.

Types that are always converted are marked in `kinds.py`; for the others, the codecs inside decide.
"""

from __future__ import annotations

from shared.domain.media.kinds import Format, MediaType, media_type

_SOUND_TAKEN: dict[Format, tuple[str, ...]] = {
    "wav": ("pcm_",),
    "aiff": ("pcm_",),
    "mp4": ("aac", "mp3"),
    "ogg": ("vorbis", "opus", "flac"),
}
"""By format: prefixes of the audio codecs that are sent unchanged. Formats not listed are sent with any codec."""
_PICTURES_TAKEN: dict[Format, tuple[str, ...]] = {
    "avi": ("h264", "mpeg4", "msmpeg4", "mjpeg", "mpeg1video", "mpeg2video"),
}
"""The same for video codecs."""


def with_codecs(kind: MediaType, sound: str, pictures: str) -> MediaType:
    """Return the type of a recording or film, marked for re-encoding if Gemini does not accept its codec.

    `sound` and `pictures` are FFmpeg's codec names, empty without such a stream.
    """
    codec, taken = (pictures, _PICTURES_TAKEN) if kind.family == "video" else (sound, _SOUND_TAKEN)
    if kind.preparation is not None or kind.format not in taken or codec.startswith(taken[kind.format]):
        return kind
    return kind.model_copy(update={"preparation": "transcode", "label": f"{kind.label} in {codec or 'no known codec'}"})


def transcoded(kind: MediaType) -> MediaType:
    """Return the type that a recording or film of this kind is sent as."""
    return media_type("video/mp4" if kind.family == "video" else "audio/ogg")


def conversion_warning(kind: MediaType, became: str) -> str:
    """Return the task's warning. `became` names the new format."""
    return f"The file is {kind.label}, which Gemini does not take; it was converted to {became}."


def manual_conversion(kind: MediaType) -> str:
    """Return advice for users on how to convert a recording or film themselves."""
    if kind.family == "video":
        return "Convert it with “ffmpeg -i FILE -c:v libx264 -c:a aac -pix_fmt yuv420p FILE.mp4”, and upload that."
    return "Convert it with “ffmpeg -i FILE -c:a flac FILE.flac”, and upload that."
