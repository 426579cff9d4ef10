"""Which recordings and films are re-encoded, and into what.

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
"""How the names of the codecs begin whose sound is sent as it is. In layouts that are not listed, every sound is."""
_PICTURES_TAKEN: dict[Format, tuple[str, ...]] = {
    "avi": ("h264", "mpeg4", "msmpeg4", "mjpeg", "mpeg1video", "mpeg2video"),
}
"""The same for the pictures of films."""


def with_codecs(kind: MediaType, sound: str, pictures: str) -> MediaType:
    """Return the type of a recording or film, to be encoded anew if Gemini does not take what is inside.

    `sound` and `pictures` are FFmpeg's names of the codecs, empty if there is none.
    """
    codec, taken = (pictures, _PICTURES_TAKEN) if kind.family == "video" else (sound, _SOUND_TAKEN)
    if kind.preparation is not None or kind.format not in taken or codec.startswith(taken[kind.format]):
        return kind
    return kind.model_copy(update={"preparation": "transcode", "label": f"{kind.label} in {codec or 'no known codec'}"})


def transcoded(kind: MediaType) -> MediaType:
    """Return the type that a recording or film of this kind is sent as."""
    return media_type("video/mp4" if kind.family == "video" else "audio/ogg")


def conversion_warning(kind: MediaType, became: str) -> str:
    """Return the task's warning. `became` says what the file was made into."""
    return f"The file is {kind.label}, which Gemini does not take; it was converted to {became}."


def manual_conversion(kind: MediaType) -> str:
    """Return how a person converts a recording or film that is not converted here."""
    if kind.family == "video":
        return "Convert it with “ffmpeg -i FILE -c:v libx264 -c:a aac -pix_fmt yuv420p FILE.mp4”, and upload that."
    return "Convert it with “ffmpeg -i FILE -c:a flac FILE.flac”, and upload that."
