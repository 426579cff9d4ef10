"""What prompts and answers cost, by the rules that the guides state.

Text: about four characters a token. In a prompt, each emoji and each character of Chinese, Japanese, Korean, Thai, Lao
and Tibetan is a token: the guides do not say that, but tokenizers come close to it. Audio: 32 a second. A PDF's page:
258. A picture: 258 for each tile, one up to 384 pixels a side. Video: 258 a frame, a frame a second unless `fps` says
otherwise, and its sound.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, assert_never

from local.standins.gemini.models import Model

if TYPE_CHECKING:
    from local.standins.gemini.prompt import Item

Modality = Literal["TEXT", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT"]

CHARACTERS_PER_TOKEN = 4
AUDIO_PER_SECOND = 32
_DENSE = re.compile("[\u0e00-\u0fff\u2e80-\ud7ff\uf900-\ufaff\U00010000-\U0010ffff]")
_PICTURE = 258
_SMALL_SIDE = 384
_LEAST_TILE, _MAX_TILE = 256, 768
_AT_RESOLUTION = {"MEDIA_RESOLUTION_LOW": 64, "MEDIA_RESOLUTION_MEDIUM": 256}
_FINER_IN_THIRD_GENERATION = {"MEDIA_RESOLUTION_HIGH": 1120, "MEDIA_RESOLUTION_ULTRA_HIGH": 2240}
_FRAME_AT_LOW_RESOLUTION = 66


def of_text(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def count_dense(text: str) -> int:
    """Return how many characters of a prompt take a token each."""
    return len(_DENSE.findall(text))


def of_prompt(text: str) -> int:
    return of_characters(len(text), count_dense(text))


def of_characters(characters: int, dense: int) -> int:
    return dense + math.ceil((characters - dense) / CHARACTERS_PER_TOKEN)


def of_json(value: Any) -> int:
    return of_text(json.dumps(value, ensure_ascii=False, default=lambda raw: "0" * len(raw)))


def of_media(item: Item, model: Model) -> Counter[Modality]:
    media = item.media
    match media.kind:
        case "text" | None:
            return Counter({"TEXT": of_characters(media.characters, media.dense)})
        case "audio":
            return Counter({"AUDIO": math.ceil(item.seconds * AUDIO_PER_SECOND)})
        case "document":
            # Gemini 3 looks at pages as pictures and counts them as such; text embedded in them is not charged.
            modality: Modality = "IMAGE" if model.third_generation else "DOCUMENT"
            return Counter({modality: media.pages * (_at_resolution(item, model) or _PICTURE)})
        case "image":
            return Counter({"IMAGE": _at_resolution(item, model) or _tiles(media.width, media.height) * _PICTURE})
        case "video":
            low = item.resolution == "MEDIA_RESOLUTION_LOW"
            frames = math.ceil(item.seconds * item.fps) * (_FRAME_AT_LOW_RESOLUTION if low else _PICTURE)
            sound = math.ceil(item.seconds * AUDIO_PER_SECOND) if media.has_audio else 0
            return Counter({"VIDEO": frames, "AUDIO": sound})
        case _:
            assert_never(media.kind)


def _at_resolution(item: Item, model: Model) -> int | None:
    """Return the tokens of a picture or page at the requested resolution, or None if they depend on its size."""
    if model.third_generation and item.resolution in _FINER_IN_THIRD_GENERATION:
        return _FINER_IN_THIRD_GENERATION[item.resolution]
    return _AT_RESOLUTION.get(item.resolution or "")


def _tiles(width: int, height: int) -> int:
    if max(width, height) <= _SMALL_SIDE:
        return 1
    tile = min(max(math.floor(min(width, height) / 1.5), _LEAST_TILE), _MAX_TILE)
    return math.ceil(width / tile) * math.ceil(height / tile)


def details(tokens: Counter[Modality]) -> list[dict[str, Any]]:
    """Return token counts in the form of `promptTokensDetails`."""
    return [{"modality": modality, "tokenCount": count} for modality, count in tokens.items() if count]
