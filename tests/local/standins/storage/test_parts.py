from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.cloud.storage import transfer_manager

LEAST = 5 << 20


def begin(http: httpx2.Client, path: str) -> str:
    answer = http.post(f"{path}?uploads", headers={"content-type": "video/mp4", "x-goog-meta-a": "1"})
    assert answer.status_code == 200
    return answer.text.split("<UploadId>")[1].split("</UploadId>")[0]


def listed(*parts: tuple[int, str]) -> str:
    inner = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in parts)
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>"


def test_the_client_uploads_a_file_in_parts_at_once(bucket: Any, tmp_path: Path) -> None:
    data = os.urandom(2 * LEAST + 17)
    (tmp_path / "file").write_bytes(data)
    blob = bucket.blob("folder/a b.bin")
    blob.metadata = {"a": "1"}
    transfer_manager.upload_chunks_concurrently(
        str(tmp_path / "file"), blob, chunk_size=LEAST, worker_type=transfer_manager.THREAD, max_workers=2
    )
    found = bucket.get_blob("folder/a b.bin")
    assert (found.size, found.metadata, found.md5_hash) == (len(data), {"a": "1"}, None)
    assert found.download_as_bytes() == data


def test_parts_are_joined_in_their_order_and_may_be_sent_again(bucket: Any, http: httpx2.Client) -> None:
    path = f"/{bucket.name}/x"
    upload = begin(http, path)
    tags = {}
    for number, content in ((2, b"end"), (1, b"wrong"), (1, b"s" * LEAST)):
        answer = http.put(f"{path}?partNumber={number}&uploadId={upload}", content=content)
        tags[number] = answer.headers["etag"]
    assert not bucket.blob("x").exists()
    complete = f"{path}?uploadId={upload}"
    assert http.post(complete, content=listed((2, tags[2]), (1, tags[1]))).status_code == 400
    assert http.post(complete, content=listed((1, tags[2]))).status_code == 400
    assert http.post(complete, content=listed((1, tags[1]), (2, tags[2]))).status_code == 200
    assert http.post(complete, content=listed((1, tags[1]))).status_code == 404
    found = bucket.get_blob("x")
    assert (found.size, found.content_type) == (LEAST + 3, "video/mp4")
    assert http.get(path).content == found.download_as_bytes()


def test_small_parts_and_wrong_checksums_are_refused(bucket: Any, http: httpx2.Client) -> None:
    path = f"/{bucket.name}/x"
    upload = begin(http, path)
    bad = http.put(f"{path}?partNumber=1&uploadId={upload}", content=b"a", headers={"x-goog-hash": "crc32c=AAAAAA=="})
    assert (bad.status_code, "<Code>BadDigest</Code>" in bad.text) == (400, True)
    tags = []
    for number in (1, 2):
        answer = http.put(f"{path}?partNumber={number}&uploadId={upload}", content=b"small")
        tags.append((number, answer.headers["etag"]))
    assert http.post(f"{path}?uploadId={upload}", content=listed(*tags)).status_code == 400


def test_an_aborted_upload_is_gone(bucket: Any, http: httpx2.Client) -> None:
    path = f"/{bucket.name}/x"
    upload = begin(http, path)
    assert http.delete(f"{path}?uploadId={upload}").status_code == 204
    assert http.put(f"{path}?partNumber=1&uploadId={upload}", content=b"a").status_code == 404


@pytest.mark.parametrize(("method", "status"), [("GET", 404), ("PATCH", 501), ("DELETE", 404)])
def test_errors_at_an_object_s_plain_address_are_xml(
    bucket: Any, http: httpx2.Client, method: str, status: int
) -> None:
    answer = http.request(method, f"/{bucket.name}/none")
    assert answer.status_code == status
    assert answer.text.startswith("<?xml")
