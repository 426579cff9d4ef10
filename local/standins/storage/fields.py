"""Partial answers: the `fields` parameter, such as `items(name,size),nextPageToken` or `items/name`."""

from __future__ import annotations

import re
from typing import Any

from local.standins.storage.errors import ApiError

Mask = dict[str, "Mask"]

_TOKEN = re.compile(r"[(),/]|[^(),/\s]+")


def select_fields(resource: dict[str, Any], fields: str) -> dict[str, Any]:
    """What of `resource` the expression names; an empty mask under a key means all of it."""
    tokens = _TOKEN.findall(fields)
    mask, rest = _parse(tokens, fields)
    if rest:
        raise _invalid(fields)
    return _cut(resource, mask) if mask else resource


def _parse(tokens: list[str], whole: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        node = mask
        while True:
            if not tokens or tokens[0] in "(),/":
                raise _invalid(whole)
            name, tokens = tokens[0], tokens[1:]
            node = node.setdefault(name, {})
            if tokens[:1] != ["/"]:
                break
            tokens = tokens[1:]
        if tokens[:1] == ["("]:
            inner, tokens = _parse(tokens[1:], whole)
            if tokens[:1] != [")"]:
                raise _invalid(whole)
            node.update(inner)
            tokens = tokens[1:]
        if tokens[:1] != [","]:
            return mask, tokens
        tokens = tokens[1:]


def _cut(value: Any, mask: Mask) -> Any:
    if not mask or ("*" in mask and not mask["*"]):
        return value
    if isinstance(value, list):
        return [_cut(each, mask) for each in value]
    if not isinstance(value, dict):
        return value
    everything = mask.get("*")
    kept = {}
    for key, inner in value.items():
        if (below := mask.get(key, everything)) is not None:
            kept[key] = _cut(inner, below)
    return kept


def _invalid(fields: str) -> ApiError:
    return ApiError(400, f"Invalid field selection {fields}", "invalidParameter")
