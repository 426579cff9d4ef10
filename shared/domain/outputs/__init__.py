"""Render the files that a recipe publishes, from an answer and its source. Pure: returns bytes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, assert_never

from pydantic import JsonValue

from shared.domain.answer.citations import Page
from shared.domain.answer.transcript import is_transcript, segments
from shared.domain.outputs import boxes, drawing, markup, subtitles, tables
from shared.domain.recipe.definition import Ending, RecipeQuestion

__all__ = ["TYPES", "File", "Rendered", "Source", "needs_picture", "render"]

TYPES: dict[Ending, str] = {
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "png": "image/png",
    "wav": "audio/wav",
    "embeddings.json": "application/json",
}


class Source(NamedTuple):
    """The file that the answer is about; width and height in pixels for a picture, upright as the model sees it."""

    name: str
    width: int | None = None
    height: int | None = None
    picture: bytes | None = None
    """The image itself, until a child process has measured it and drawn on it."""
    pages: tuple[Page, ...] = ()
    """Pages that a grounded answer cites."""
    drawn: drawing.Drawn | None = None
    """The image with boxes drawn on it, made by a child process."""
    undrawable: str | None = None
    """Why nothing could be drawn."""


class File(NamedTuple):
    data: bytes
    content_type: str
    pieces: Callable[[], AsyncIterator[bytes]] | None = None
    """Reads a file that is too large for memory, instead of `data`."""


class Rendered(NamedTuple):
    """Files by their ending, and sentences about what could not be made."""

    files: dict[str, File]
    warnings: tuple[str, ...]


class _CannotMake(ValueError):
    pass


def needs_picture(question: RecipeQuestion, value: JsonValue) -> bool:
    """Return whether the image is needed: to draw on it, or to convert boxes to pixels."""
    return ("png" in question.outputs or "json" in question.outputs) and _has_boxes(question, value)


def render(question: RecipeQuestion, text: str, value: JsonValue, source: Source) -> Rendered:
    """Render the files of one question. `value` is the structured answer; None for plain text."""
    files: dict[str, File] = {}
    warnings: list[str] = []
    for output in question.outputs:
        try:
            data = _render_output(output, question, text, value, source, warnings)
        except ValueError as error:
            warnings.append(f"No .{question.ending(output)} was made: {error}.")
        else:
            files[question.ending(output)] = File(data, TYPES[output])
    return Rendered(files, tuple(warnings))


def _render_output(
    output: Ending, question: RecipeQuestion, text: str, value: JsonValue, source: Source, warnings: list[str]
) -> bytes:
    match output:
        case "txt" | "md":
            return _encoded(_render_text(output, text, value, source))
        case "html":
            return _encoded(markup.page(text, source.name.rpartition("/")[2]))
        case "json":
            if question.response_schema is None and value is None:
                raise _CannotMake("the answer is plain text")
            return _encoded(json.dumps(_published(question, value, source), ensure_ascii=False, indent=2))
        case "csv":
            return _encoded(tables.table(value, question.response_schema))
        case "srt" | "vtt":
            if not is_transcript(value):
                raise _CannotMake("the answer has no segments with a start and a text")
            return _encoded((subtitles.srt if output == "srt" else subtitles.vtt)(segments(value)))
        case "png":
            drawn = _drawn(question, value, source)
            if drawn.left_out:
                message = f"Masks that could not be drawn, and are not in the .{question.ending(output)}"
                warnings.append(f"{message}: {drawn.left_out}.")
            return drawn.png
        case "wav" | "embeddings.json":
            raise _CannotMake("it is made by a recipe for speech or vectors")
        case _:
            assert_never(output)


def _encoded(text: str) -> bytes:
    """Encode text as UTF-8; lone surrogates, which JSON can contain, become question marks."""
    return text.encode(errors="replace")


def _render_text(output: Ending, text: str, value: JsonValue, source: Source) -> str:
    if is_transcript(value):
        return subtitles.plain(segments(value))
    return markup.with_sources(markup.unfenced(text), source.pages) if output == "md" else text


def _published(question: RecipeQuestion, value: JsonValue, source: Source) -> JsonValue:
    """Return the structured answer as JSON, with boxes also in pixels if the picture's size is known."""
    if not _has_boxes(question, value) or not source.width or not source.height:
        return value
    return boxes.published(value, question.response_schema, source.width, source.height)


def _drawn(question: RecipeQuestion, value: JsonValue, source: Source) -> drawing.Drawn:
    if not _has_boxes(question, value):
        raise _CannotMake("the answer has no boxes")
    if source.drawn is None:
        raise _CannotMake(source.undrawable or "the image is not there any more")
    return source.drawn


def _has_boxes(question: RecipeQuestion, value: JsonValue) -> bool:
    return boxes.has_boxes(value) or boxes.asked_for(question.response_schema)
