"""Boxes that the model draws: from its scale of 0 to 1000 to pixels of the image.

Guide "Image understanding": `box_2d` is [ymin, xmin, ymax, xmax]; a segmentation mask is a PNG that covers the box.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue

_SCALE = 1000


class Box(NamedTuple):
    """Pixels from the upper left corner; right and bottom are exclusive."""

    label: str
    left: int
    top: int
    right: int
    bottom: int
    box_2d: tuple[int, int, int, int]
    """As the model gave it, put in order and clipped to its scale."""
    mask: str | None = None


def has_boxes(value: JsonValue) -> bool:
    return any(isinstance(item, dict) and "box_2d" in item for item in _items(value))


def asked_for(schema: JsonValue) -> bool:
    """Whether a schema speaks of boxes, so that an answer without any is an empty list of them."""
    if isinstance(schema, dict):
        return "box_2d" in schema or any(asked_for(inner) for inner in schema.values())
    return isinstance(schema, list) and any(asked_for(inner) for inner in schema)


def boxes(value: JsonValue, width: int, height: int) -> list[Box]:
    """The boxes of a structured answer for an image of this size; those of no extent are left out."""
    found: list[Box] = []
    for item in _items(value):
        box = _box(item, width, height) if isinstance(item, dict) else None
        if box is not None and box.right > box.left and box.bottom > box.top:
            found.append(box)
    return found


def as_json(found: list[Box], width: int, height: int) -> JsonValue:
    """What is published: the image's size, and each object with its box in pixels and on the model's scale."""
    objects: list[JsonValue] = []
    for box in found:
        told: dict[str, JsonValue] = {
            "label": box.label,
            "box": {"left": box.left, "top": box.top, "right": box.right, "bottom": box.bottom},
            "box_2d": list(box.box_2d),
        }
        if box.mask is not None:
            told["mask"] = box.mask
        objects.append(told)
    return {"width": width, "height": height, "objects": objects}


def _items(value: JsonValue) -> list[JsonValue]:
    if isinstance(value, list):
        return value
    lists = [inner for inner in value.values() if isinstance(inner, list)] if isinstance(value, dict) else []
    return lists[0] if len(lists) == 1 else []


def _box(item: dict[str, JsonValue], width: int, height: int) -> Box | None:
    numbers = item.get("box_2d")
    if not isinstance(numbers, list) or len(numbers) != 4:
        return None
    clipped = [min(max(round(number), 0), _SCALE) for number in numbers if isinstance(number, int | float)]
    if len(clipped) != 4:
        return None
    (top, bottom), (left, right) = sorted((clipped[0], clipped[2])), sorted((clipped[1], clipped[3]))
    mask = item.get("mask")
    return Box(
        label=str(item.get("label") or item.get("text_label") or ""),
        left=round(left * width / _SCALE),
        top=round(top * height / _SCALE),
        right=round(right * width / _SCALE),
        bottom=round(bottom * height / _SCALE),
        box_2d=(top, left, bottom, right),
        mask=mask if isinstance(mask, str) else None,
    )
