"""Parts of documents: setting a field, and keeping only the fields of a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from local.standins.firestore import paths, values
from local.standins.firestore.wire import Document, Value


def put(document: Document, path: paths.FieldPath, value: Value) -> None:
    """Set the value at a field path. Values on the way that are not maps are replaced by maps."""
    inner = document.fields
    for part in path[:-1]:
        step = inner[part]
        if step.WhichOneof("value_type") != "map_value" or values.is_vector(step):
            step.Clear()
            step.map_value.SetInParent()
        inner = step.map_value.fields
    inner[path[-1]].CopyFrom(value)


def masked(document: Document, mask: Sequence[paths.FieldPath] | None, *, copied: bool = False) -> Document:
    """Return a copy of the document with only the fields of a mask.

    Without a mask, return the document itself, unless `copied`.
    """
    if mask is None and not copied:
        return document
    selected = Document(name=document.name, create_time=document.create_time, update_time=document.update_time)
    if mask is None:
        selected.fields.MergeFrom(document.fields)
    for path in mask or ():
        value = values.lookup(document, path)
        if value is not None:
            put(selected, path, value)
    return selected


def read(request: Any) -> list[paths.FieldPath] | None:
    """Return a request's field mask, or None if it has none."""
    if not request.HasField("mask"):
        return None
    return [field for field in map(paths.parse_field, request.mask.field_paths) if field != paths.NAME]
