"""A request with its references resolved: turns, media and token counts."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from local.standins.gemini.errors import ApiError, invalid
from local.standins.gemini.files import FileStore
from local.standins.gemini.media import Media, kind_of
from local.standins.gemini.models import Model
from local.standins.gemini.prober import Prober
from local.standins.gemini.search_stores import Chunk
from local.standins.gemini.tokens import Modality, of_json, of_media, of_prompt, of_text
from shared.clock import Clock

_FILE_URI = re.compile(r"(?:https?://[^/]+/v1(?:beta|alpha)?/)?files/([^/?#]+)")
_LONGEST_AUDIO = 9.5 * 3600
_PDF_BYTES = 50 * 1024**2
_PDF_PAGES = 1000
_IMAGES = 3600

Content = dict[str, Any]


class Item(BaseModel):
    """A medium in a prompt. `start` and `end` cut it, in seconds."""

    model_config = ConfigDict(frozen=True)

    media: Media
    name: str = ""
    start: float = 0.0
    end: float | None = None
    fps: float = 1.0
    resolution: str | None = None

    @property
    def seconds(self) -> float:
        """The length of the clip, in seconds."""
        end = self.media.duration if self.end is None else min(self.end, self.media.duration)
        return max(0.0, end - self.start)


@dataclass(frozen=True)
class Prompt:
    """A request's prompt. `turns` are its contents, those of its context cache first."""

    turns: tuple[Content, ...]
    system: str
    items: tuple[Item, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_config: dict[str, Any] = field(default_factory=dict)
    tokens: Counter[Modality] = field(default_factory=Counter)
    cached_tokens: Counter[Modality] = field(default_factory=Counter)
    found: tuple[Chunk, ...] = ()
    """What the file search tool found for the question."""

    @property
    def found_tokens(self) -> int:
        return sum(of_text(chunk.text) for chunk in self.found)

    @property
    def text(self) -> str:
        """The text of all turns but the model's."""
        return "\n".join(text for turn in self.turns if turn.get("role") != "model" for text in texts(turn))

    @property
    def question(self) -> str:
        """The text of the last user turn that has any."""
        spoken = (" ".join(texts(turn)) for turn in reversed(self.turns) if turn.get("role") != "model")
        return next((text for text in spoken if text.strip()), "").strip()


def texts(content: Content) -> list[str]:
    return [part["text"] for part in content.get("parts", []) if "text" in part and not part.get("thought")]


class Reader:
    """Reads requests into prompts: resolves files, probes media, counts tokens."""

    def __init__(self, files: FileStore, clock: Clock, prober: Prober) -> None:
        self._files, self._clock, self._prober = files, clock, prober

    async def read(self, request: dict[str, Any], model: Model, cached: Prompt | None = None) -> Prompt:
        """Return the prompt of a request.

        Raises ApiError for media that is unknown, not ready, unsupported or too long.
        """
        resolution = request.get("generationConfig", {}).get("mediaResolution")
        items = list(cached.items) if cached else []
        tokens: Counter[Modality] = Counter(cached.tokens) if cached else Counter()
        system = request.get("systemInstruction", {})
        for content in [system, *request.get("contents", [])]:
            for part in content.get("parts", []):
                item = await self._item(part, model, resolution)
                if item is None:
                    tokens["TEXT"] += _plain_tokens(part)
                else:
                    items.append(item)
                    tokens.update(of_media(item, model))
        tools = request.get("tools", [])
        tokens["TEXT"] += of_json(tools) if tools else 0
        _check_together(items)
        return Prompt(
            turns=(*(cached.turns if cached else ()), *request.get("contents", [])),
            system="\n".join([*([cached.system] if cached and cached.system else []), *texts(system)]),
            items=tuple(items),
            tools=(*(cached.tools if cached else ()), *tools),
            tool_config=request.get("toolConfig") or (cached.tool_config if cached else {}),
            tokens=+tokens,
            cached_tokens=Counter(cached.tokens) if cached else Counter(),
        )

    async def _item(self, part: dict[str, Any], model: Model, resolution: str | None) -> Item | None:
        if "inlineData" in part:
            media, name = await _inline(part["inlineData"], self._prober), part["inlineData"].get("displayName", "")
        elif "fileData" in part:
            media, name = self._file(part["fileData"])
        else:
            return None
        assert media.kind is not None
        if media.kind not in model.inputs:
            raise invalid(f"{media.kind.capitalize()} input modality is not enabled for models/{model.id}")
        _check_alone(media)
        cut = part.get("videoMetadata", {})
        item = Item(
            media=media,
            name=name,
            start=cut.get("startOffset", 0.0),
            end=cut.get("endOffset"),
            fps=cut.get("fps") or 1.0,
            resolution=part.get("mediaResolution", {}).get("level") or resolution,
        )
        if item.start < 0 or (item.end is not None and item.end <= item.start):
            raise invalid("Invalid video metadata: the end offset must come after the start offset, neither negative.")
        return item

    def _file(self, data: dict[str, Any]) -> tuple[Media, str]:
        uri = data.get("fileUri", "")
        if not (match := _FILE_URI.fullmatch(uri)):
            raise invalid(
                f"Cannot fetch content from the provided URL: {uri!r}. This stand-in takes files of its Files API only."
            )
        stored = self._files.get(match.group(1))
        if stored.state(self._clock.time()) != "ACTIVE":
            message = f"The File {stored.id} is not in an ACTIVE state and usage is not allowed."
            raise ApiError(400, message, "FAILED_PRECONDITION")
        mime_type = data.get("mimeType") or stored.mime_type
        if kind_of(mime_type) is None or stored.media.kind is None:
            raise invalid(f"Unsupported MIME type: {mime_type}")
        return stored.media, stored.display_name or ""


async def _inline(blob: dict[str, Any], prober: Prober) -> Media:
    mime_type = blob.get("mimeType", "")
    if kind_of(mime_type) is None:
        raise invalid(f"Unsupported MIME type: {mime_type}" if mime_type else "A MIME type is required for inlineData.")
    media = await asyncio.to_thread(prober.of_bytes, blob.get("data", b""), mime_type)
    if media.error and media.kind == "document":
        raise invalid(media.error)
    if media.error:
        raise invalid(f"Unable to process input {media.kind}. Please retry or report. {media.error}")
    return media


def _plain_tokens(part: dict[str, Any]) -> int:
    if "text" in part:
        return of_prompt(part["text"])
    return of_json({name: value for name, value in part.items() if name != "thoughtSignature"})


def _check_alone(media: Media) -> None:
    if media.kind == "document" and media.size > _PDF_BYTES:
        raise invalid(f"The document of {media.size} bytes exceeds the supported size limit of {_PDF_BYTES} (50 MB).")


def _check_together(items: list[Item]) -> None:
    pages = sum(item.media.pages for item in items)
    if pages > _PDF_PAGES:
        raise invalid(f"The document contains {pages} pages which exceeds the supported page limit of {_PDF_PAGES}.")
    seconds = sum(item.media.duration for item in items if item.media.kind == "audio")
    if seconds > _LONGEST_AUDIO:
        raise invalid(f"The audio of {seconds / 3600:.2f} hours exceeds the limit of 9.5 hours in a prompt.")
    if (images := sum(item.media.kind == "image" for item in items)) > _IMAGES:
        raise invalid(f"The request has {images} images, more than the limit of {_IMAGES}.")
