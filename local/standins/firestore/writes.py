"""Applying a `Write` to a document: precondition, replacement or merge, transforms, and the result."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import grpc

from local.standins.firestore import fields, masks, paths, values
from local.standins.firestore.wire import (
    ArrayValue,
    Document,
    FieldTransform,
    Precondition,
    Refusal,
    Value,
    Write,
    failed_precondition,
    invalid,
    micros_of,
    timestamp_of,
)

TRANSFORMS = 500
_INTEGERS = (-(2**63), 2**63 - 1)
_MILLISECOND = 1000


class Staged:
    """The writes of one commit, applied in order to the stored state without changing it."""

    def __init__(self, database: str, micros: int, stored: Callable[[str], Document | None]) -> None:
        self._database, self._micros, self._stored = database, micros, stored
        self._transforms: dict[str, int] = {}
        self.states: dict[str, Document | None] = {}
        """The new state of each document that the writes change."""

    def apply(self, write: Write) -> tuple[int | None, list[Value]]:
        """The document's update time in microseconds (None: it is deleted), and the results of the transforms."""
        operation = write.WhichOneof("operation")
        if operation == "delete":
            return self._delete(write)
        if operation not in ("update", "transform"):
            raise invalid("A write must update, delete or transform a document.")
        name = write.update.name if operation == "update" else write.transform.document
        path = paths.document_path(name, self._database)
        before = self._state(path)
        check_precondition(name, before, write.current_document, self._micros)
        after = Document(name=name)
        transforms = write.update_transforms
        if operation == "transform":
            transforms = write.transform.field_transforms
            _copy_fields(before, after)
        elif write.HasField("update_mask"):
            _copy_fields(before, after)
            _merge(after, write.update, write.update_mask.field_paths)
        else:
            after.fields.MergeFrom(write.update.fields)
        self._count_transforms(path, len(transforms))
        results = [self._transform(after, transform) for transform in transforms]
        fields.check(after)
        return self._keep(path, before, after), results

    def _state(self, path: str) -> Document | None:
        return self.states[path] if path in self.states else self._stored(path)

    def _delete(self, write: Write) -> tuple[None, list[Value]]:
        path = paths.document_path(write.delete, self._database)
        if write.HasField("update_mask") or write.update_transforms:
            raise invalid("A delete cannot carry a mask or transforms.")
        before = self._state(path)
        check_precondition(write.delete, before, write.current_document, self._micros)
        if before is not None:
            self.states[path] = None
        return None, []

    def _keep(self, path: str, before: Document | None, after: Document) -> int:
        after.create_time.CopyFrom(before.create_time if before is not None else timestamp_of(self._micros))
        if before is not None:
            after.update_time.CopyFrom(before.update_time)
            if after.SerializeToString(deterministic=True) == before.SerializeToString(deterministic=True):
                return micros_of(before.update_time)
        after.update_time.CopyFrom(timestamp_of(self._micros))
        self.states[path] = after
        return self._micros

    def _count_transforms(self, path: str, number: int) -> None:
        if number:
            total = self._transforms[path] = self._transforms.get(path, 0) + number
            if total > TRANSFORMS:
                raise invalid(f"The maximum of {TRANSFORMS} field transforms per document and commit is exceeded.")

    def _transform(self, document: Document, transform: FieldTransform) -> Value:
        path = paths.parse_field(transform.field_path)
        kind = transform.WhichOneof("transform_type")
        before = values.lookup(document, path)
        if kind == "set_to_server_value":
            if transform.set_to_server_value != FieldTransform.ServerValue.REQUEST_TIME:
                raise invalid("A server value must be REQUEST_TIME.")
            # The documented precision of server timestamps is the millisecond.
            moment = self._micros - self._micros % _MILLISECOND
            after = result = Value(timestamp_value=timestamp_of(moment))
        elif kind in ("append_missing_elements", "remove_all_from_array"):
            after = _array(kind, before, getattr(transform, kind))
            result = Value(null_value=0)
        elif kind in _NUMERIC:
            operand = getattr(transform, kind)
            if not values.is_number(operand):
                raise invalid(f"The operand of {kind} must be an integer or a double.")
            after = result = (
                _NUMERIC[kind](before, operand) if before is not None and values.is_number(before) else operand
            )
        else:
            raise invalid("A field transform must name what it does.")
        masks.put(document, path, after)
        return result


def check_precondition(name: str, stored: Document | None, condition: Precondition, now: int) -> None:
    kind = condition.WhichOneof("condition_type")
    if kind == "exists" and condition.exists and stored is None:
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"No document to update: {name}")
    if kind == "exists" and not condition.exists and stored is not None:
        raise Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Document already exists: {name}")
    if kind == "update_time":
        if condition.update_time.nanos % 1000:
            raise invalid("The update_time of a precondition must be of microsecond precision.")
        current = micros_of(stored.update_time) if stored is not None else 0
        required = micros_of(condition.update_time)
        if required > now:
            raise invalid("The update_time of a precondition must not be in the future.")
        if stored is None or current != required:
            raise failed_precondition(
                f"the stored version ({current}) does not match the required base version ({required})"
            )


def _copy_fields(source: Document | None, target: Document) -> None:
    if source is not None:
        target.fields.MergeFrom(source.fields)


def _merge(document: Document, update: Document, mask: list[str]) -> None:
    parsed = [paths.parse_field(text) for text in mask]
    if paths.NAME in parsed:
        raise invalid("__name__ cannot be in an update mask.")
    for path in parsed:
        value = values.lookup(update, path)
        if value is not None:
            masks.put(document, path, value)
        else:
            _remove(document, path)


def _remove(document: Document, path: paths.FieldPath) -> None:
    inner: Any = document.fields
    for part in path[:-1]:
        step = inner.get(part)
        if step is None or step.WhichOneof("value_type") != "map_value":
            return
        inner = step.map_value.fields
    if path[-1] in inner:
        del inner[path[-1]]


def _array(kind: str, before: Value | None, operand: ArrayValue) -> Value:
    existing = list(before.array_value.values) if before is not None else []
    if kind == "remove_all_from_array":
        gone = {values.encode(item) for item in operand.values}
        items = [item for item in existing if values.encode(item) not in gone]
    else:
        present = {values.encode(item) for item in existing}
        items = existing
        for item in operand.values:
            encoded = values.encode(item)
            if encoded not in present:
                present.add(encoded)
                items.append(item)
    return Value(array_value=ArrayValue(values=items))


def _increment(before: Value, operand: Value) -> Value:
    stored, step = values.number_of(before), values.number_of(operand)
    assert stored is not None
    assert step is not None
    if isinstance(stored, int) and isinstance(step, int):
        return Value(integer_value=min(max(stored + step, _INTEGERS[0]), _INTEGERS[1]))
    return Value(double_value=float(stored) + float(step))


def _maximum(before: Value, operand: Value) -> Value:
    return _extreme(before, operand, larger=True)


def _minimum(before: Value, operand: Value) -> Value:
    return _extreme(before, operand, larger=False)


def _extreme(before: Value, operand: Value, *, larger: bool) -> Value:
    if values.is_nan(before) or values.is_nan(operand):
        return Value(double_value=math.nan)
    stored_key, operand_key = values.encode(before), values.encode(operand)
    return operand if (operand_key > stored_key if larger else operand_key < stored_key) else before


_NUMERIC: dict[str, Callable[[Value, Value], Value]] = {
    "increment": _increment,
    "maximum": _maximum,
    "minimum": _minimum,
}
