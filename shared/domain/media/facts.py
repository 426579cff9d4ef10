"""What is known about a file once it was examined."""

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
    width: int | None = None
    """Pixels, as is height."""
    height: int | None = None
    pages: int | None = None
    has_audio: bool = False
    has_video: bool = False
    warnings: tuple[str, ...] = ()
    """Sentences for the task's warnings: it can be sent, but not all may be understood."""
    problem: str | None = None
    """A sentence when the file is damaged, empty inside or locked: sending it would only be paid for."""
