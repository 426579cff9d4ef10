"""Convert the model's boxes from its scale of 0 to 1000 to pixels of the image.

Guide "Image understanding": `box_2d` is [ymin, xmin, ymax, xmax]; a segmentation mask is a PNG that covers the box.
An answer may hold boxes anywhere: beside other things that were asked for, and within them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import JsonValue

_SCALE = 1000
_DETECTION_FIELDS = frozenset({"box_2d", "label", "text_label", "mask"})
"""Fields that describe a detected object. A box without area and without these is no detection."""


class Box(NamedTuple):
    """Pixels from the upper left corner; right and bottom are exclusive."""

    label: str
    number: int
    """The object's index in the published list, or the box's index if the answer is not a list."""
    left: int
    top: int
    right: int
    bottom: int
    box_2d: tuple[int, int, int, int]
    """The model's coordinates, ordered and clipped to its scale."""
    mask: str | None = None


def has_boxes(value: JsonValue) -> bool:
    return next(_boxed(value), None) is not None


def asked_for(schema: JsonValue) -> bool:
    """Return whether a schema has boxes: an answer without any then means that nothing was found."""
    if isinstance(schema, dict):
        return "box_2d" in schema or any(asked_for(inner) for inner in schema.values())
    return isinstance(schema, list) and any(asked_for(inner) for inner in schema)


def boxes(value: JsonValue, schema: JsonValue, width: int, height: int) -> list[Box]:
    """Return all boxes of an answer in pixels of an image of this size; boxes without area are left out."""
    objects = _objects(value, schema)
    groups = (
        [[boxed_item] for boxed_item in _boxed(value)] if objects is None else [list(_boxed(item)) for item in objects]
    )
    placed = (_box(item, number, width, height) for number, items in enumerate(groups, 1) for item in items)
    return [box for box in placed if box is not None]


def published(value: JsonValue, schema: JsonValue, width: int, height: int) -> JsonValue:
    """Return the answer with `box` in pixels added to each `box_2d`; a list of objects also gets the image's size."""
    objects = _objects(value, schema)
    if objects is None:
        return _in_pixels(value, width, height)
    return {"width": width, "height": height, "objects": [_in_pixels(item, width, height) for item in objects]}


def _objects(value: JsonValue, schema: JsonValue) -> list[dict[str, JsonValue]] | None:
    """Return the detected objects, if the answer is only a list of them."""
    if not isinstance(value, list):
        return None
    items = [item for item in value if isinstance(item, dict)]
    if len(items) < len(value) or not (any("box_2d" in item for item in items) or _lists_boxes(schema)):
        return None
    return [
        item
        for item in items
        if item.keys() - _DETECTION_FIELDS or _coordinates(item) is not None or "box_2d" not in item
    ]


def _lists_boxes(schema: JsonValue) -> bool:
    items = schema.get("items") if isinstance(schema, dict) else None
    properties = items.get("properties") if isinstance(items, dict) else None
    return isinstance(properties, dict) and "box_2d" in properties


def _boxed(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    """Yield every object with a `box_2d`, in reading order."""
    if isinstance(value, dict) and "box_2d" in value:
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _boxed(inner)


def _in_pixels(value: JsonValue, width: int, height: int) -> JsonValue:
    if isinstance(value, list):
        return [_in_pixels(inner, width, height) for inner in value]
    if not isinstance(value, dict):
        return value
    box = _box(value, 0, width, height)
    in_pixels: dict[str, JsonValue] = {}
    for name, inner in value.items():
        in_pixels[name] = _in_pixels(inner, width, height)
        # A `box` in the answer was requested by the schema, so it is kept.
        if name == "box_2d" and box is not None and "box" not in value:
            in_pixels["box"] = {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom}
    return in_pixels


def _box(item: dict[str, JsonValue], number: int, width: int, height: int) -> Box | None:
    edges = _coordinates(item)
    if edges is None:
        return None
    top, left, bottom, right = edges
    mask = item.get("mask")
    x, y = min(round(left * width / _SCALE), width - 1), min(round(top * height / _SCALE), height - 1)
    return Box(
        label=str(item.get("label") or item.get("text_label") or ""),
        number=number,
        left=x,
        top=y,
        # At least one pixel, also in small pictures.
        right=max(round(right * width / _SCALE), x + 1),
        bottom=max(round(bottom * height / _SCALE), y + 1),
        box_2d=edges,
        mask=None if mask is None else str(mask),
    )


def _coordinates(item: dict[str, JsonValue]) -> tuple[int, int, int, int] | None:
    """Return top, left, bottom, right on the model's scale; None if the area is empty."""
    box = item.get("box_2d")
    numbers = [edge for edge in box if isinstance(edge, int | float)] if isinstance(box, list) else []
    if len(numbers) != 4 or box != numbers:
        return None
    clipped = [round(min(max(number, 0), _SCALE)) for number in numbers]
    (top, bottom), (left, right) = sorted((clipped[0], clipped[2])), sorted((clipped[1], clipped[3]))
    return (top, left, bottom, right) if bottom > top and right > left else None
