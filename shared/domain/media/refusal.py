"""Why something may not be sent, in words for the person who dropped it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

RefusalCode = Literal[
    "unsupported_content_type", "payload_too_large", "media_too_long", "empty_file", "file_processing_failed",
    "context_length_exceeded",
]  # fmt: skip
"""The codes of a failed task (public contract) that what is inside a file can lead to."""


class Refusal(BaseModel):
    """A permanent no. `message` names the limit, the value found, and the way out."""

    model_config = ConfigDict(frozen=True)

    code: RefusalCode
    message: str
