"""`drop`: where files go and which metadata they get."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

import pytest

from local import screen, target
from local.commands import drop
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


class StillPending:
    """A client whose tasks never end; each look at one takes as long as it may."""

    def __init__(self, now: list[float]) -> None:
        self.now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def drop_file(self, file: Path, name: str, metadata: dict[str, str], inbox: str | None) -> str:
        return f"gs://inbox/{name}"

    def wait_for_task_of(self, uri: str) -> dict[str, object]:
        return {"id": f"task-of-{uri.rpartition('/')[2]}", "status": "pending"}

    def get_task(self, task_id: str, *, wait: float) -> dict[str, object]:
        self.now[0] += min(60, max(1, wait))
        return {"id": task_id, "status": "pending"}


def test_files_that_never_end_are_given_up_together_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    now, files = [0.0], [tmp_path / f"{letter}.txt" for letter in "abc"]
    for file in files:
        file.write_text("words")
    client: Any = StillPending(now)
    monkeypatch.setattr(drop, "Client", lambda _target: client)
    monkeypatch.setattr(target, "choose_target", lambda _args: None)
    monkeypatch.setattr(screen, "print_error", told.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert drop.main([*map(str, files), "--wait", "--timeout", "300", "--json"]) == 1
    assert now[0] <= 303
    assert [line.split()[0] for line in told] == ["task-of-a.txt", "task-of-b.txt", "task-of-c.txt"]
    assert "not ended within 300 s: it is pending" in told[0]
