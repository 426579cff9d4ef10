"""What is known about a file once its headers were read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from shared.domain.media.kinds import MediaType


class Facts(BaseModel):
    """What a file says about itself, checked against its size. What does not apply or cannot be told is None."""

    model_config = ConfigDict(frozen=True)

    media_type: MediaType
    """As sniffed, or refined by what is inside: an MP4 without pictures becomes audio/mp4. Send this one."""
    size: int
    """Bytes."""
    duration: float | None = None
    """Seconds of audio or video."""
    codec: str | None = None
    """Of the sound where there is only sound, else of the pictures; as the container names it."""
    sample_rate: int | None = None
    """Hertz."""
    channels: int | None = None
    width: int | None = None
    """Pixels, as is height."""
    height: int | None = None
    frames: int | None = None
    """Of an animation: pictures."""
    pages: int | None = None
    encrypted: bool = False
    animated: bool = False
    has_audio: bool = False
    has_video: bool = False
    warnings: tuple[str, ...] = ()
    """Sentences for the task's warnings: it can be sent, but not all may be understood."""
    problem: str | None = None
    """A sentence when the file is damaged, empty inside or locked: sending it would only be paid for."""
