"""Partial answers: the `fields` parameter, such as `items(name,size),nextPageToken` or `items/name`."""

from __future__ import annotations

import re
from typing import Any

from local.standins.storage.errors import ApiError

Mask = dict[str, "Mask"]

_TOKEN = re.compile(r"[(),/]|[^(),/\s]+")
_DEEPEST = 64


def select_fields(resource: dict[str, Any], fields: str) -> dict[str, Any]:
    """Return the parts of `resource` that the expression names. Raises ApiError (400) for a malformed expression."""
    parser = _Parser(fields)
    mask = parser.parse()
    return _cut(resource, mask) if mask else resource


class _Parser:
    """Reads an expression into a mask: a field with an empty mask is taken whole."""

    def __init__(self, fields: str) -> None:
        self._fields, self._tokens, self._at = fields, _TOKEN.findall(fields), 0

    def parse(self) -> Mask:
        mask = self._list(0)
        if self._at < len(self._tokens):
            raise self._invalid()
        return mask

    def _list(self, depth: int) -> Mask:
        mask: Mask = {}
        while True:
            node = self._path(mask)
            if self._take("("):
                if depth == _DEEPEST:
                    raise self._invalid()
                node.update(self._list(depth + 1))
                if not self._take(")"):
                    raise self._invalid()
            if not self._take(","):
                return mask

    def _path(self, node: Mask) -> Mask:
        """Read `a/b/c` into `node`; return the innermost field's mask."""
        for step in range(_DEEPEST):
            if step and not self._take("/"):
                return node
            if self._at == len(self._tokens) or self._tokens[self._at] in "(),/":
                break
            node = node.setdefault(self._tokens[self._at], {})
            self._at += 1
        raise self._invalid()

    def _take(self, token: str) -> bool:
        is_next = self._tokens[self._at : self._at + 1] == [token]
        self._at += is_next
        return is_next

    def _invalid(self) -> ApiError:
        return ApiError(400, f"Invalid field selection {self._fields}", "invalidParameter")


def _cut(value: Any, mask: Mask) -> Any:
    if not mask or ("*" in mask and not mask["*"]):
        return value
    if isinstance(value, list):
        return [_cut(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    everything = mask.get("*")
    cut = {}
    for key, inner in value.items():
        if (below := mask.get(key, everything)) is not None:
            cut[key] = _cut(inner, below)
    return cut
