"""Accounts within their grants, at their own doors, through the real client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, NotFound

from local.standins.storage.iam import Access, Grant, Policy
from tests.local.standins.storage.conftest import Served, client_of

VIEWER, CREATOR, USER = (f"roles/storage.object{role}" for role in ("Viewer", "Creator", "User"))
POLICY = {
    "reader": [Grant(bucket="files", role=VIEWER)],
    "some": [Grant(bucket="files", role=VIEWER, under="a/")],
    "blind": [Grant(bucket="files", role=VIEWER, under="a/", lists=False)],
    "dropper": [Grant(bucket="files", role=CREATOR)],
    "writer": [Grant(bucket="files", role=USER, under="w/")],
}


@pytest.fixture
def at(serve: Callable[..., Served]) -> Iterator[Callable[[str], Any]]:
    """The bucket as an account sees it; the owner's is that of ''."""
    served = serve(buckets=["files", "others"], policy=Policy(POLICY))
    opened = []

    def bucket(account: str, name: str = "files") -> Any:
        port = served.port if not account else served.run(served.stand_in.start_door(account))
        context = client_of(f"http://127.0.0.1:{port}")
        opened.append(context)
        return context.__enter__().bucket(name)

    owner = bucket("")
    for name in ("a/one", "b/two"):
        owner.blob(name).upload_from_string(b"content")
    yield bucket
    for context in opened:
        context.__exit__(None, None, None)


def test_a_reader_reads_and_lists_and_writes_nothing(at: Callable[[str], Any]) -> None:
    bucket = at("reader")
    assert bucket.blob("b/two").download_as_bytes() == b"content"
    assert [blob.name for blob in bucket.list_blobs()] == ["a/one", "b/two"]
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: bucket.blob("new").upload_from_string(b"x"),
        lambda: bucket.blob("a/one").delete(),
        lambda: bucket.blob("a/one").patch(),
        lambda: bucket.reload(),
    )
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()


def test_only_who_may_list_is_told_that_an_object_is_not_there(at: Callable[[str], Any]) -> None:
    with pytest.raises(NotFound):
        at("some").blob("a/missing").download_as_bytes()
    with pytest.raises(Forbidden, match=r"storage\.objects\.get access .* \(or it may not exist\)"):
        at("blind").blob("a/missing").download_as_bytes()


def test_a_condition_on_names_holds_for_objects(at: Callable[[str], Any]) -> None:
    bucket = at("some")
    assert bucket.blob("a/one").download_as_bytes() == b"content"
    with pytest.raises(Forbidden):
        bucket.blob("b/two").download_as_bytes()
    with pytest.raises(Forbidden):
        list(at("blind").list_blobs(prefix="a/"))


def test_a_grant_holds_for_its_bucket_only(at: Callable[..., Any]) -> None:
    with pytest.raises(Forbidden):
        list(at("reader", "others").list_blobs())


def test_who_may_only_create_overwrites_nothing(at: Callable[[str], Any]) -> None:
    bucket = at("dropper")
    bucket.blob("new").upload_from_string(b"first")
    with pytest.raises(Forbidden, match=r"storage\.objects\.delete"):
        bucket.blob("new").upload_from_string(b"second")
    with pytest.raises(Forbidden):
        bucket.blob("new").download_as_bytes()


def test_a_resumable_upload_needs_the_grant_too(at: Callable[[str], Any]) -> None:
    with at("writer").blob("w/big").open("wb", chunk_size=256 << 10) as file:
        file.write(bytes(600 << 10))
    with pytest.raises(Forbidden):
        at("writer").blob("elsewhere").create_resumable_upload_session()


def test_a_policy_is_read_from_a_file_and_keeps_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({"reader": [{"bucket": "files", "role": VIEWER}]}))
    policy = Policy.read(tmp_path / "policy.json")
    reading = Access("reader", "storage.objects.get", "files", "a")
    assert policy.check(reading)
    assert not policy.check(Access("writer", "storage.objects.get", "files", "a"))
    assert (policy.used, len(policy.refused)) == ({reading}, 1)
    assert not policy.without(*policy.grants[0]).allows(reading)
    with pytest.raises(ValueError, match="not a role that the stand-in knows"):
        Policy({"reader": [Grant(bucket="files", role="roles/owner")]})
