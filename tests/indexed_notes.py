"""A local system whose recipe `notes` adds finished texts to an index of the same name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.running import Running

_RECIPES = b"""
[[recipe]]
name = "notes"
takes = ["text"]
for = {}
prompt = "Sum it up."
index = "notes"
"""
_INBOXES = '{"dropsight-inbox": {"recipes": "gs://dropsight-source/recipes/notes.toml"}}'


@contextmanager
def running_with_notes(**settings: Any) -> Iterator[Running]:
    """Start the system; `settings` go to its functions."""
    with Running(DROPSIGHT_INBOXES=_INBOXES, **settings) as running:
        running.bucket("dropsight-source").blob("recipes/notes.toml").upload_from_string(_RECIPES)
        yield running
