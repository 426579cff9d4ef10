"""The refusal of a file, with a message for the person who dropped it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

RefusalCode = Literal[
    "unsupported_content_type", "payload_too_large", "media_too_long", "empty_file", "file_processing_failed",
    "context_length_exceeded",
]  # fmt: skip
"""Codes of a failed task (public contract) that a file's content can cause."""


class Refusal(BaseModel):
    """A permanent refusal. `message` names the limit, the actual value, and what to do."""

    model_config = ConfigDict(frozen=True)

    code: RefusalCode
    message: str
