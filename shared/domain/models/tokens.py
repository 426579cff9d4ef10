"""Estimate tokens before anything is sent, by the rules of the guides.

The service's own count (`usageMetadata`, `countTokens`) is authoritative; estimates only find what cannot fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, assert_never

from shared.domain.errors import PermanentFailure
from shared.domain.media.facts import Facts
from shared.domain.models.catalogue import Model
from shared.domain.models.text_tokens import CHARACTERS_PER_TOKEN

Resolution = Literal["low", "medium", "high", "ultra_high"]
"""`media_resolution` of a request or, with Gemini 3, of one part."""

AUDIO_PER_SECOND = 32
"""Guide "Audio understanding", technical details."""
PDF_PAGE = 258
"""Guide "Document understanding", technical details."""
IMAGE_TILE = 258
"""Guide "Image understanding": an image of at most 384 x 384, or each tile of a larger one."""
FRAME = 258
"""A picture of a video, one a second (guide "Video understanding")."""
FRAME_AT_LOW_RESOLUTION = 66

CACHE = 4096
"""Minimum tokens of a context cache (guide "Context caching"), if the catalogue has no other value."""

_SMALL_SIDE = 384
_LEAST_TILE, _MAX_TILE = 256, 768

_GEMINI_3_IMAGE: dict[Resolution, int] = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 2240}
_GEMINI_3_PAGE: dict[Resolution, int] = {"low": 280, "medium": 560, "high": 1120, "ultra_high": 1120}
_GEMINI_3_FRAME: dict[Resolution, int] = {"low": 70, "medium": 70, "high": 280, "ultra_high": 280}
"""Guide "Media resolution", token counts of Gemini 3. The defaults there: images high, pages medium, frames low."""


def estimate(facts: Facts, model: Model, resolution: Resolution | None = None) -> int:
    """Return about how many tokens one file has. Unknown lengths count as zero."""
    by_part = model.can("media_resolution_per_part")
    family = facts.media_type.family
    match family:
        case "text":
            return math.ceil(facts.size / CHARACTERS_PER_TOKEN)
        case "audio":
            return math.ceil((facts.duration or 0.0) * AUDIO_PER_SECOND)
        case "pdf":
            return (facts.pages or 0) * (_GEMINI_3_PAGE[resolution or "medium"] if by_part else PDF_PAGE)
        case "image":
            return _GEMINI_3_IMAGE[resolution or "high"] if by_part else of_image(facts.width or 0, facts.height or 0)
        case "video":
            seconds = math.ceil(facts.duration or 0.0)
            low = FRAME_AT_LOW_RESOLUTION if resolution == "low" else FRAME
            frame = _GEMINI_3_FRAME[resolution or "low"] if by_part else low
            return seconds * (frame + (AUDIO_PER_SECOND if facts.has_audio else 0))
        case _:
            assert_never(family)


def can_be_estimated(facts: Facts) -> bool:
    """Return whether the estimate is reliable: a recording's length, a document's pages or a text's size are known."""
    match facts.media_type.family:
        case "audio" | "video":
            return facts.duration is not None
        case "pdf":
            return facts.pages is not None
        case "text":
            return facts.size > 0
        case _:
            return True


def most(facts: Facts, model: Model, resolution: Resolution | None = None) -> int:
    """Return how many tokens one file has at most. A file of unknown length may fill the model's window."""
    if not can_be_estimated(facts):
        return model.input_tokens
    if facts.media_type.family != "text":
        return estimate(facts, model, resolution)
    counted = facts.media_type.most_tokens
    return facts.size if counted is None else counted


def of_image(width: int, height: int) -> int:
    """Count the tiles of Gemini 2: one up to 384 pixels a side, else tiles of 256 to 768 pixels, scaled to 768."""
    if max(width, height) <= _SMALL_SIDE:
        return IMAGE_TILE
    tile = min(max(math.floor(min(width, height) / 1.5), _LEAST_TILE), _MAX_TILE)
    return math.ceil(width / tile) * math.ceil(height / tile) * IMAGE_TILE


def least_cached(model: Model) -> int:
    """Return the fewest tokens that a context cache of this model may hold."""
    return CACHE if model.cache_minimum is None else model.cache_minimum


def check_context(files: Sequence[Facts], model: Model, resolution: Resolution | None = None) -> None:
    """Raise `PermanentFailure` if these files together certainly exceed the model's context.

    Text is left to the service, because how many characters make a token depends on the language.
    """
    media = [facts for facts in files if facts.media_type.family != "text"]
    tokens = sum(estimate(facts, model, resolution) for facts in media)
    if tokens <= model.input_tokens:
        return
    ways = ["Cut it into parts"]
    if resolution != "low" and any(facts.media_type.family in ("image", "pdf", "video") for facts in media):
        lower = sum(estimate(facts, model, "low") for facts in media)
        if lower <= model.input_tokens:
            ways.append("set media_resolution to low")
    message = f"This is about {tokens:,} tokens; model {model.id} takes at most {model.input_tokens:,}. "
    raise PermanentFailure("context_length_exceeded", f"{message}{', or '.join(ways)}.")
