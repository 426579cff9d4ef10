"""Values of a document survive the way into Firestore's messages and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud import firestore
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import write as write_types
from google.cloud.firestore_v1.vector import Vector
from hypothesis import given
from hypothesis import strategies as st

from shared.cloud.document_wire import fields_of, merge_write, set_fields, set_value, value_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def new_value() -> Any:
    return document_types.Value.pb()()


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_fields_come_back_as_they_were(fields: dict[str, Any]) -> None:
    document = document_types.Document.pb()()
    set_fields(document.fields, fields)
    assert fields_of(document.fields) == fields


@pytest.mark.parametrize("value", [True, False, 0, 1, 1.0, "", [], {}, None])
def test_a_value_keeps_its_type(value: object) -> None:
    message = new_value()
    set_value(message, value)
    assert type(value_of(message)) is type(value)


def test_a_moment_of_another_time_zone_is_the_same_moment() -> None:
    message, moment = new_value(), datetime.now(UTC)
    set_value(message, moment)
    assert abs(value_of(message) - moment) < timedelta(microseconds=1)


def test_a_type_that_no_document_holds_is_named() -> None:
    with pytest.raises(TypeError, match="set cannot be stored"):
        set_value(new_value(), {1})


def test_a_vector_is_what_the_client_makes_of_it() -> None:
    message = new_value()
    set_value(message, Vector([0.6, 0.8]))
    assert message == _helpers.encode_value(Vector([0.6, 0.8]))._pb


def test_a_write_that_merges_and_adds_is_what_the_client_makes_of_it() -> None:
    path = "projects/p/databases/d/documents/usage/2026-11-27-03"
    labels = {"owner": "", "model": "gemini-4-argon"}
    fields = {"day": "2026-11-27", "rows": {"r1": labels, "r2": labels}}
    counted = {**fields, "rows": {"r1": {**labels, "calls": firestore.Increment(2)}, "r2": labels}}
    expected = _helpers.pbs_for_set_with_merge(path, counted, merge=True)
    made = merge_write(path, fields, {"rows.r1.calls": 2})
    assert [_in_any_order(made)] == [_in_any_order(write) for write in expected]


def _in_any_order(write: write_types.Write) -> write_types.Write:
    return write_types.Write(
        update=write.update,
        update_mask={"field_paths": sorted(write.update_mask.field_paths)},
        update_transforms=sorted(write.update_transforms, key=lambda transform: transform.field_path),
    )
