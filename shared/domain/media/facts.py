"""The result of examining a file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from shared.domain.media.kinds import MediaType


class Facts(BaseModel):
    """Facts about a file. A fact that does not apply, or is unknown, is None."""

    model_config = ConfigDict(frozen=True)

    media_type: MediaType
    """As sniffed, or refined: an MP4 without pictures becomes audio/mp4. This type is sent."""
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
    """Warnings for the task. The file can be sent, but some of it may not be understood."""
    problem: str | None = None
    """A sentence if the file is damaged, empty or locked: sending it would only cost money."""
