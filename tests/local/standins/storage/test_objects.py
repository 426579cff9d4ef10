from __future__ import annotations

import datetime
import os
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from google.api_core import exceptions


def test_a_patch_merges_metadata_and_null_removes_a_key(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"a": "1", "b": "2"}
    blob.upload_from_string(b"x", content_type="text/plain")
    fresh = bucket.blob("x")
    fresh.metadata = {"b": None, "c": "3"}
    fresh.patch()
    found = bucket.get_blob("x")
    assert found.metadata == {"a": "1", "c": "3"}
    assert (found.content_type, found.generation, found.metageneration) == ("text/plain", blob.generation, 2)
    assert found.updated >= found.time_created


def test_an_update_replaces_what_can_be_set(bucket: Any, http: httpx2.Client) -> None:
    blob = bucket.blob("x")
    blob.metadata, blob.cache_control = {"a": "1"}, "no-store"
    blob.upload_from_string(b"x", content_type="text/plain")
    found = http.put(f"/storage/v1/b/{bucket.name}/o/x", json={"contentType": "text/html", "size": "99"}).json()
    assert (found["contentType"], found["size"], found["metageneration"]) == ("text/html", "1", "2")
    assert "metadata" not in found
    assert "cacheControl" not in found


@pytest.mark.parametrize(
    "body",
    ["no json", "[]", '{"metadata": {"a": 1}}', '{"metadata": "x"}', '{"contentType": 3}', '{"temporaryHold": 3}'],
)
def test_metadata_that_is_none_is_refused(bucket: Any, http: httpx2.Client, body: str) -> None:
    bucket.blob("x").upload_from_string(b"x")
    assert http.patch(f"/storage/v1/b/{bucket.name}/o/x", content=body).status_code == 400
    assert bucket.get_blob("x").metageneration == 1


def test_a_custom_time_only_moves_on(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.custom_time = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    blob.upload_from_string(b"x")
    blob.custom_time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    with pytest.raises(exceptions.BadRequest):
        blob.patch()


def test_a_held_object_is_neither_deleted_nor_overwritten(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(b"x")
    blob.temporary_hold = True
    blob.patch()
    with pytest.raises(exceptions.Forbidden):
        blob.delete()
    with pytest.raises(exceptions.Forbidden):
        bucket.blob("x").upload_from_string(b"y")
    blob.temporary_hold = False
    blob.patch()
    blob.delete()


def test_a_retained_object_is_not_deleted(bucket: Any) -> None:
    bucket.retention_period = 100
    bucket.patch()
    blob = bucket.blob("x")
    blob.upload_from_string(b"x")
    with pytest.raises(exceptions.Forbidden):
        blob.delete()


def test_a_copy_takes_bytes_and_metadata_along(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"a": "1"}
    blob.upload_from_string(b"content", content_type="text/plain")
    copy = bucket.copy_blob(blob, bucket, "y")
    assert (copy.metadata, copy.content_type, copy.md5_hash) == ({"a": "1"}, "text/plain", blob.md5_hash)
    assert copy.generation > blob.generation
    blob.delete()
    assert copy.download_as_bytes() == b"content"


def test_a_rewrite_is_done_in_one_call_and_may_change_metadata_and_class(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"a": "1"}
    blob.upload_from_string(b"content", content_type="text/plain")
    target = bucket.blob("y")
    target.content_type = "text/html"
    assert target.rewrite(blob) == (None, 7, 7)
    assert bucket.get_blob("y").content_type == "text/html"
    assert bucket.get_blob("y").metadata is None
    blob.update_storage_class("COLDLINE")
    found = bucket.get_blob("x")
    assert (found.storage_class, found.metadata, found.content_type) == ("COLDLINE", {"a": "1"}, "text/plain")


def test_an_older_version_can_be_copied(versioned: Any) -> None:
    blob = versioned.blob("x")
    blob.upload_from_string(b"old")
    old = blob.generation
    blob.upload_from_string(b"new")
    versioned.copy_blob(versioned.blob("x"), versioned, "x", source_generation=old)
    assert versioned.blob("x").download_as_bytes() == b"old"


def test_composed_objects_hold_the_bytes_of_all_and_no_md5(bucket: Any) -> None:
    parts = [os.urandom(70_000) for _ in range(32)]
    sources = []
    for index, part in enumerate(parts):
        sources.append(bucket.blob(f"part {index}"))
        sources[-1].upload_from_string(part)
    whole = bucket.blob("whole")
    whole.content_type = "video/mp4"
    whole.compose(sources)
    assert whole.download_as_bytes() == b"".join(parts)
    assert (whole.component_count, whole.md5_hash, whole.content_type) == (32, None, "video/mp4")
    whole.compose([whole, sources[0]])
    assert whole.component_count == 33
    with pytest.raises(exceptions.BadRequest):
        whole.compose([*sources, whole])
    with pytest.raises(exceptions.NotFound):
        whole.compose([sources[0], bucket.blob("none")])
    with pytest.raises(exceptions.PreconditionFailed):
        whole.compose([sources[0]], if_source_generation_match=[1])


def test_a_move_leaves_nothing_behind(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"a": "1"}
    blob.upload_from_string(b"content")
    moved = bucket.move_blob(blob, "folder/y ü")
    assert (moved.download_as_bytes(), moved.metadata) == (b"content", {"a": "1"})
    assert not blob.exists()


def test_a_batch_answers_each_call(client: Any, bucket: Any, http: httpx2.Client) -> None:
    for name in "abc":
        bucket.blob(name).upload_from_string(b"x")
    patched = bucket.blob("a")
    with client.batch():
        patched.metadata = {"k": "v"}
        patched.patch()
        bucket.delete_blob("b")
    assert patched.metadata == {"k": "v"}
    assert [found.name for found in bucket.list_blobs()] == ["a", "c"]
    bucket.delete_blobs([bucket.blob("a"), bucket.blob("c")])
    with client.batch(raise_exception=False) as batch:
        bucket.delete_blob("a")
        bucket.reload()
    assert [answer.status_code for answer in batch._responses] == [404, 200]
    with pytest.raises(exceptions.NotFound), client.batch():
        bucket.delete_blob("a")


def test_listing_follows_prefix_delimiter_and_offsets(bucket: Any) -> None:
    names = ["a", "a/", "a/1", "a/2/x", "a/2/y", "b/1", "c", "é", "😀"]
    for name in names:
        bucket.blob(name).upload_from_string(b"")
    by_bytes = sorted(names, key=str.encode)

    def listed(**options: Any) -> tuple[list[str], list[str]]:
        found = bucket.list_blobs(**options)
        blobs = [blob.name for blob in found]
        return blobs, sorted(found.prefixes)

    assert listed() == (by_bytes, [])
    assert listed(delimiter="/") == (["a", "c", "é", "😀"], ["a/", "b/"])
    assert listed(delimiter="/", include_trailing_delimiter=True) == (["a", "a/", "c", "é", "😀"], ["a/", "b/"])
    assert listed(prefix="a/", delimiter="/") == (["a/", "a/1"], ["a/2/"])
    assert listed(prefix="a/2") == (["a/2/x", "a/2/y"], [])
    assert listed(start_offset="a/2/y", end_offset="é") == (["a/2/y", "b/1", "c"], [])
    assert listed(match_glob="**/[xy]") == (["a/2/x", "a/2/y"], [])
    assert listed(match_glob="*") == (["a", "c", "é", "😀"], [])
    assert listed(prefix="zzz") == ([], [])
    for size in (1, 2, 3):
        assert listed(page_size=size) == (by_bytes, [])
        assert listed(delimiter="/", page_size=size) == (["a", "c", "é", "😀"], ["a/", "b/"])
    assert listed(max_results=2) == (by_bytes[:2], [])


@pytest.mark.long
def test_many_names_below_one_prefix_make_one_prefix(bucket: Any, client: Any) -> None:
    source = bucket.blob("a/0000")
    source.upload_from_string(b"")
    for start in range(1, 1203, 100):
        with client.batch():
            for index in range(start, start + 100):
                bucket.copy_blob(source, bucket, f"a/{index:04}")
    bucket.copy_blob(source, bucket, "b")
    found = bucket.list_blobs(delimiter="/")
    assert ([blob.name for blob in found], found.prefixes) == (["b"], {"a/"})
    assert len(list(bucket.list_blobs())) == 1302


def test_only_the_fields_asked_for_are_shown(bucket: Any, http: httpx2.Client) -> None:
    bucket.blob("x").upload_from_string(b"x")
    listed = http.get(f"/storage/v1/b/{bucket.name}/o?fields=items(name,size),prefixes").json()
    assert listed == {"items": [{"name": "x", "size": "1"}]}
    assert http.get(f"/storage/v1/b/{bucket.name}/o/x?fields=name").json() == {"name": "x"}
    assert http.get(f"/storage/v1/b/{bucket.name}/o/x?fields=a(b").status_code == 400


def test_the_projection_decides_about_the_access_list(bucket: Any, http: httpx2.Client) -> None:
    bucket.blob("x").upload_from_string(b"x")
    path = f"/storage/v1/b/{bucket.name}/o/x"
    assert "acl" not in http.get(path).json()
    assert "acl" in http.get(f"{path}?projection=full").json()
    assert http.get(f"{path}?projection=odd").status_code == 400


def test_links_lead_back_to_the_object(bucket: Any, http: httpx2.Client) -> None:
    name = "a b/#?.txt"
    bucket.blob(name).upload_from_string(b"content")
    found = http.get(f"/storage/v1/b/{bucket.name}/o/{quote(name, safe='')}").json()
    assert http.get(found["selfLink"]).json() == found
    assert http.get(found["mediaLink"]).content == b"content"
