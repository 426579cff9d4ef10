"""`drop`: where files go and which metadata they get."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.commands.drop import _object_name, _parse_destination, parse_metadata


@pytest.mark.parametrize(
    ("to", "count", "name"),
    [
        ("", 1, "talk.mp3"),
        ("monday.mp3", 1, "monday.mp3"),
        ("talks/", 1, "talks/talk.mp3"),
        ("talks", 2, "talks/talk.mp3"),
        ("talks/", 2, "talks/talk.mp3"),
    ],
)
def test_a_destination_is_a_folder_or_for_one_file_its_name(to: str, count: int, name: str) -> None:
    assert _object_name(Path("home/talk.mp3"), to, count) == name


@pytest.mark.parametrize(
    ("to", "destination"),
    [("talks/", (None, "talks/")), ("gs://inbox/talks/", ("inbox", "talks/")), ("gs://inbox", ("inbox", ""))],
)
def test_a_destination_may_name_the_inbox(to: str, destination: tuple[str | None, str]) -> None:
    assert _parse_destination(to) == destination


def test_metadata_is_split_at_the_first_equals_sign() -> None:
    assert parse_metadata(["find=cups", "dropsight-prompt=Is a=b?"]) == {"find": "cups", "dropsight-prompt": "Is a=b?"}
    with pytest.raises(SystemExit, match="write K=V"):
        parse_metadata(["find"])
