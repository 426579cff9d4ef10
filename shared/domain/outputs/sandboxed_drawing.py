"""Draw an answer's boxes on its picture in a child process: build the call, and read its result."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import JsonValue

from shared.domain.outputs import boxes, drawing

FUNCTION = f"{__name__}:run"
"""A call for `shared.sandbox`."""


class DrawingReply(NamedTuple):
    """The picture's upright size, if it can be read, and the PNG or why there is none."""

    size: tuple[int, int] | None
    drawn: drawing.Drawn | None
    undrawable: str | None


def arguments_of(value: JsonValue, schema: JsonValue, *, size: tuple[int, int] | None, draw: bool) -> dict[str, Any]:
    """Build the call. `size` is the examiner's, for pictures whose size Pillow cannot read."""
    return {"value": value, "schema": schema, "size": size, "draw": draw}


def run(arguments: dict[str, Any], picture: bytes, _source: object) -> tuple[dict[str, Any], bytes]:
    """Measure the picture, and draw on it if asked to. Runs in the child process."""
    facts: dict[str, Any] = {"size": arguments["size"], "left_out": 0, "undrawable": None}
    try:
        facts["size"] = drawing.upright_size(picture)
    except drawing.NotDrawable as error:
        facts["undrawable"] = str(error)
    if not arguments["draw"] or facts["undrawable"] is not None:
        return facts, b""
    try:
        drawn = drawing.drawn(picture, boxes.boxes(arguments["value"], arguments["schema"], *facts["size"]))
    except drawing.NotDrawable as error:
        return {**facts, "undrawable": str(error)}, b""
    return {**facts, "left_out": drawn.left_out}, drawn.png


def read_reply(value: Any, png: bytes) -> DrawingReply:
    """Convert the child's reply."""
    size = tuple(value["size"]) if value["size"] else None
    drawn = drawing.Drawn(png, value["left_out"]) if png else None
    return DrawingReply(size, drawn, value["undrawable"])
