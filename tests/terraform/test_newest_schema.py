"""What the oldest provider would be told is compared with what the newest takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.terraform.newest_schema import KEPT, compact, differences, used

QUEUE = {
    "attributes": {
        "name": {"required": True},
        "state": {"computed": True},
        "location": {"optional": True, "computed": True},
    },
    "block_types": {
        "limits": {"min_items": 1, "block": {"attributes": {"rate": {"required": True}}}},
        "log": {"block": {"attributes": {"ratio": {"optional": True}}}},
    },
}


def test_the_kept_schema_has_all_that_the_configuration_declares_and_nothing_else() -> None:
    kept = json.loads(KEPT.read_text())
    assert {(kind, name) for kind in ("resource", "data") for name in kept[kind]} == used()


def test_what_the_newest_provider_takes_is_no_difference() -> None:
    planned = {"name": "work", "location": None, "limits": [{"rate": 5}], "log": []}
    assert list(differences("queue", planned, {"location": True}, compact(QUEUE))) == []


@pytest.mark.parametrize(
    ("values", "unknown", "difference"),
    [
        ({"name": "work", "pace": 5, "limits": [{"rate": 5}]}, {}, "queue: pace is gone"),
        ({"name": "work", "state": "on", "limits": [{"rate": 5}]}, {}, "queue: state is gone"),
        ({"limits": [{"rate": 5}]}, {}, "queue: name is needed"),
        ({"name": "work"}, {}, "queue: limits is needed"),
        ({"name": "work", "limits": [{}]}, {"limits": [{}]}, "queue.limits: rate is needed"),
        ({"limits": [{"rate": 5, "burst": 9}]}, {"name": True}, "queue.limits: burst is gone"),
    ],
)
def test_a_name_that_is_gone_or_newly_needed_is_told(
    values: dict[str, Any], unknown: dict[str, Any], difference: str
) -> None:
    assert list(differences("queue", values, unknown, compact(QUEUE))) == [difference]
