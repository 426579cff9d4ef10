"""The `fields` parameter cuts a resource down, and is read in linear time."""

from __future__ import annotations

import time

import pytest

from local.standins.storage.errors import ApiError
from local.standins.storage.fields import select_fields

RESOURCE = {"kind": "k", "items": [{"name": "a", "owner": {"id": 1, "entity": "e"}, "size": "2"}], "nextPageToken": "t"}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        ("kind", {"kind": "k"}),
        ("items(name,size),nextPageToken", {"items": [{"name": "a", "size": "2"}], "nextPageToken": "t"}),
        ("items/owner/id", {"items": [{"owner": {"id": 1}}]}),
        ("items/owner(id), kind", {"items": [{"owner": {"id": 1}}], "kind": "k"}),
        ("items/*/entity", {"items": [{"name": "a", "owner": {"entity": "e"}, "size": "2"}]}),
        ("*", RESOURCE),
        ("none", {}),
    ],
)
def test_only_the_named_fields_are_returned(fields: str, selected: dict[str, object]) -> None:
    assert select_fields(RESOURCE, fields) == selected


@pytest.mark.parametrize(
    "fields", ["a(b", "a)", "a,", "/a", "a/", "a()", "a(b)c", "(" * 3_000, "a(" * 3_000, "a/" * 9_000]
)
def test_a_malformed_selection_is_refused(fields: str) -> None:
    with pytest.raises(ApiError, match="Invalid field selection"):
        select_fields(RESOURCE, fields)


def test_a_long_selection_is_read_in_linear_time() -> None:
    began = time.process_time()
    assert select_fields(RESOURCE, ",".join(f"field{number}" for number in range(200_000))) == {}
    assert time.process_time() - began < 5
