"""Whole objects by the XML API, as signed URLs name them; the stand-in checks no signature."""

from __future__ import annotations

import base64
from typing import Any

import httpx2
import pytest


@pytest.fixture
def path(bucket: Any) -> str:
    return f"/{bucket.name}/folder/a%20b.txt"


def test_an_object_is_put_read_and_deleted_at_its_address(bucket: Any, http: httpx2.Client, path: str) -> None:
    headers = {"content-type": "text/plain", "x-goog-meta-a": "1", "x-goog-acl": "public-read"}
    put = http.put(path, content=b"hello", headers=headers)
    assert (put.status_code, put.content, put.headers["x-goog-metageneration"]) == (200, b"", "1")
    blob = bucket.get_blob("folder/a b.txt")
    assert (blob.download_as_bytes(), blob.content_type, blob.metadata) == (b"hello", "text/plain", {"a": "1"})
    assert "allUsers" in [entry["entity"] for entry in blob.acl]
    head = http.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    assert http.delete(path).status_code == 204
    assert http.head(path).status_code == 404


def test_preconditions_are_headers(bucket: Any, http: httpx2.Client, path: str) -> None:
    new = {"x-goog-if-generation-match": "0"}
    assert http.put(path, content=b"1", headers=new).status_code == 200
    again = http.put(path, content=b"2", headers=new)
    assert (again.status_code, "<Code>PreconditionFailed</Code>" in again.text) == (412, True)
    assert http.delete(path, headers={"x-goog-if-generation-match": "1"}).status_code == 412
    assert http.get(path).content == b"1"


def test_a_wrong_checksum_leaves_nothing(bucket: Any, http: httpx2.Client, path: str) -> None:
    wrong = base64.b64encode(b"0" * 16).decode()
    answer = http.put(path, content=b"hello", headers={"content-md5": wrong})
    assert (answer.status_code, "<Code>BadDigest</Code>" in answer.text) == (400, True)
    assert not bucket.blob("folder/a b.txt").exists()


def test_a_resumable_upload_begins_at_the_object_s_address(bucket: Any, http: httpx2.Client, path: str) -> None:
    begun = http.post(path, headers={"x-goog-resumable": "start", "content-type": "text/plain"})
    assert begun.status_code == 201
    assert http.put(begun.headers["location"], content=b"hello").status_code == 200
    blob = bucket.get_blob("folder/a b.txt")
    assert (blob.download_as_bytes(), blob.content_type) == (b"hello", "text/plain")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/{bucket}", {}),
        ("PUT", "/{bucket}", {}),
        ("GET", "/{bucket}/x?acl", {}),
        ("PUT", "/{bucket}/x", {"x-goog-copy-source": "b/x"}),
        ("POST", "/{bucket}/x", {}),
    ],
)
def test_what_is_not_offered_is_refused_by_name(
    bucket: Any, http: httpx2.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = http.request(method, path.format(bucket=bucket.name), headers=headers)
    assert (answer.status_code, "by the XML API" in answer.text) == (501, True)


def test_an_unknown_acl_is_refused(http: httpx2.Client, path: str) -> None:
    assert http.put(path, content=b"1", headers={"x-goog-acl": "everyone"}).status_code == 400


@pytest.mark.parametrize("number", ["1" * 20, "1" * 5000, "\u00b2", "-", "1.5"])
def test_a_number_of_more_than_64_bits_is_refused(bucket: Any, http: httpx2.Client, number: str) -> None:
    for name in ("generation", "ifGenerationMatch", "ifMetagenerationNotMatch"):
        answer = http.get(f"/storage/v1/b/{bucket.name}/o/x", params={name: number})
        assert (answer.status_code, name in answer.text) == (400, True)
    assert http.get(f"/storage/v1/b/{bucket.name}/o", params={"maxResults": number}).status_code == 400
