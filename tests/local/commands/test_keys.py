"""A key is made for sources that generate may read."""

from __future__ import annotations

import pytest

from local.commands.keys import unreadable_sources

READABLE = ("gs://inbox/", "gs://archive/calls/")


@pytest.mark.parametrize("source", ["gs://inbox/", "gs://inbox/a/", "gs://archive/calls/2026/", "manifests:shop"])
def test_a_source_that_generate_may_read_is_taken(source: str) -> None:
    assert unreadable_sources([source], READABLE) is None


@pytest.mark.parametrize("source", ["gs://inbox-2/", "gs://archive/", "gs://other/calls/"])
def test_a_source_that_generate_may_not_read_is_refused_by_name(source: str) -> None:
    refusal = unreadable_sources(["gs://inbox/", source], READABLE)
    assert refusal is not None
    assert f"may not read {source}:" in refusal
    assert "api.key_sources" in refusal


def test_nothing_is_refused_where_it_is_not_known_what_generate_may_read() -> None:
    assert unreadable_sources(["gs://other/"], None) is None
