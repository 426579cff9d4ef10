from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import google_crc32c
import httpx2
import pytest
from google.api_core import exceptions

QUANTUM = 256 << 10


def crc32c_of(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4)).decode()


def md5_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def begin(http: httpx2.Client, bucket: Any, query: str = "", headers: dict[str, str] | None = None, **body: Any) -> str:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable{query}"
    answer = http.post(path, json={"name": "x", **body}, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.headers["location"]


def put(http: httpx2.Client, url: str, span: str, data: bytes = b"", **headers: str) -> httpx2.Response:
    return http.put(url, content=data, headers={"content-range": f"bytes {span}", **headers})


NAMES = [
    "a b/c.txt",
    "100%/50%25.txt",
    "hash#tag",
    "what?.txt",
    "ümlaut/日本語/😀.txt",
    "folder/",
    "/leading",
    "a//b",
    "../../etc/passwd",
    "a/../b",
    "plus+and&amp=;,:@$!*'()[]~`^{}|\\\"<>",
    "Cafe\u0301",
    "tab\there",
    "x" * 1024,
    "😀" * 256,
    "acl",
    "o/acl",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_object_may_have_any_name(bucket: Any, name: str) -> None:
    blob = bucket.blob(name)
    blob.upload_from_string(b"content")
    assert bucket.blob(name).download_as_bytes() == b"content"
    assert [found.name for found in bucket.list_blobs()] == [name]
    copy = bucket.copy_blob(blob, bucket, "copy of " + name.encode()[:900].decode(errors="ignore"))
    assert copy.download_as_bytes() == b"content"
    blob.delete()
    assert not blob.exists()


@pytest.mark.parametrize("name", ["line\nbreak", "carriage\rreturn", "x" * 1025, "😀" * 257, ".", "..", ""])
def test_names_that_the_cloud_forbids_are_refused(bucket: Any, http: httpx2.Client, name: str) -> None:
    answer = http.post(
        f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name={quote(name, safe='')}", content=b"x"
    )
    assert answer.status_code == 400


def test_an_object_says_all_about_itself(bucket: Any) -> None:
    blob = bucket.blob("x.txt")
    blob.metadata = {"origin": "camera 1"}
    blob.cache_control, blob.content_language, blob.content_disposition = "max-age=3", "de", "attachment"
    blob.upload_from_string(b"hello", content_type="text/plain")
    found = bucket.get_blob("x.txt")
    assert (found.size, found.content_type, found.metadata) == (5, "text/plain", {"origin": "camera 1"})
    assert (found.cache_control, found.content_language, found.content_disposition) == ("max-age=3", "de", "attachment")
    assert (found.crc32c, found.md5_hash) == (crc32c_of(b"hello"), md5_of(b"hello"))
    assert (found.storage_class, found.metageneration) == ("STANDARD", 1)
    assert found.time_created == found.updated
    assert found.id == f"{bucket.name}/x.txt/{found.generation}"


def test_generations_rise_strictly(bucket: Any) -> None:
    generations = []
    for _ in range(5):
        blob = bucket.blob("x")
        blob.upload_from_string(b"x")
        generations.append(blob.generation)
    assert generations == sorted(set(generations))


def test_an_empty_object_can_be_uploaded_in_every_way(bucket: Any, http: httpx2.Client) -> None:
    bucket.blob("multipart").upload_from_string(b"")
    with bucket.blob("open").open("wb"):
        pass
    http.post(f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=media", content=b"")
    assert put(http, begin(http, bucket, name="resumable"), "*/0").status_code == 200
    assert {(found.name, found.size) for found in bucket.list_blobs()} == {
        ("multipart", 0),
        ("open", 0),
        ("media", 0),
        ("resumable", 0),
    }
    assert bucket.blob("open").download_as_bytes() == b""


def test_a_media_upload_takes_its_type_from_the_header(bucket: Any, http: httpx2.Client) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=m"
    answer = http.post(path, content=b"abc", headers={"content-type": "image/png"})
    assert (answer.json()["contentType"], answer.json()["size"]) == ("image/png", "3")


def test_a_multipart_body_may_hold_what_looks_like_its_boundary(bucket: Any, http: httpx2.Client) -> None:
    media = b"--frontier\r\n\r\n--frontie\n--fronti" + os.urandom(300_000) + b"\r\n--frontie\r\n"
    body = b'--frontier\r\ncontent-type: application/json\r\n\r\n{"name": "m"}\r\n--frontier\r\n'
    body += b"content-type: video/mp4\r\n\r\n" + media[10:] + b"\r\n--frontier--\r\n"
    headers = {"content-type": 'multipart/related; boundary="frontier"'}

    def trickle() -> Iterator[bytes]:
        for at in range(0, len(body), 7001):
            yield body[at : at + 7001]

    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    answer = http.post(path, content=trickle(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["contentType"] == "video/mp4"
    assert bucket.blob("m").download_as_bytes() == media[10:]


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n{}\r\n--x--", b"--x\r\n\r\nno json\r\n--x\r\n\r\na\r\n--x--"]
)
def test_a_malformed_multipart_body_is_refused(bucket: Any, http: httpx2.Client, body: bytes) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    answer = http.post(path, content=body, headers={"content-type": "multipart/related; boundary=x"})
    assert answer.status_code == 400
    assert not list(bucket.list_blobs())


def test_checksums_that_do_not_fit_are_refused(bucket: Any, http: httpx2.Client) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=m"
    wrong = [
        {"x-goog-hash": f"crc32c={crc32c_of(b'other')}"},
        {"x-goog-hash": f"crc32c={crc32c_of(b'abc')},md5={md5_of(b'other')}"},
        {"content-md5": md5_of(b"other")},
        {"x-goog-hash": "md5=nonsense"},
    ]
    for headers in wrong:
        assert http.post(path, content=b"abc", headers=headers).status_code == 400
    assert not list(bucket.list_blobs())
    right = {"x-goog-hash": f"crc32c={crc32c_of(b'abc')},md5={md5_of(b'abc')}"}
    assert http.post(path, content=b"abc", headers=right).status_code == 200


def test_checksums_in_the_metadata_of_a_resumable_upload_are_checked_at_its_end(
    bucket: Any, http: httpx2.Client
) -> None:
    answer = put(http, begin(http, bucket, md5Hash=md5_of(b"other")), "0-2/3", b"abc")
    assert answer.status_code == 400
    assert "MD5" in answer.json()["error"]["message"]
    answer = put(http, begin(http, bucket), "0-2/3", b"abc", **{"x-goog-hash": f"crc32c={crc32c_of(b'other')}"})
    assert answer.status_code == 400
    assert put(http, begin(http, bucket, crc32c=crc32c_of(b"abc")), "0-2/3", b"abc").status_code == 200


def test_the_client_uploads_in_chunks_of_unknown_total(bucket: Any) -> None:
    data = os.urandom(3 * QUANTUM + 17)
    with bucket.blob("x").open("wb", chunk_size=QUANTUM) as file:
        for at in range(0, len(data), 100_000):
            file.write(data[at : at + 100_000])
    found = bucket.get_blob("x")
    assert (found.size, found.md5_hash) == (len(data), md5_of(data))
    with found.open("rb", chunk_size=QUANTUM) as file:
        assert file.read(10) == data[:10]
        file.seek(QUANTUM * 2)
        assert file.read() == data[QUANTUM * 2 :]


def test_an_open_file_that_fails_leaves_nothing(bucket: Any) -> None:
    def fail() -> None:
        with bucket.blob("x").open("wb", chunk_size=QUANTUM) as file:
            file.write(bytes(QUANTUM * 2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not bucket.blob("x").exists()


def test_a_resumable_upload_tells_what_it_has(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket)
    assert put(http, url, "*/*").status_code == 308
    assert "range" not in put(http, url, "*/*").headers
    answer = put(http, url, f"0-{QUANTUM - 1}/*", bytes(QUANTUM))
    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert put(http, url, "*/*").headers["range"] == f"bytes=0-{QUANTUM - 1}"
    answer = put(http, url, f"{QUANTUM}-{QUANTUM + 2}/{QUANTUM + 3}", b"end")
    assert (answer.status_code, answer.json()["size"]) == (200, str(QUANTUM + 3))
    again = put(http, url, "*/*")
    assert (again.status_code, again.json()["generation"]) == (200, answer.json()["generation"])


def test_bytes_that_are_stored_already_are_passed_over(bucket: Any, http: httpx2.Client) -> None:
    data = os.urandom(3 * QUANTUM)
    url = begin(http, bucket)
    put(http, url, f"0-{2 * QUANTUM - 1}/*", data[: 2 * QUANTUM])
    answer = put(http, url, f"{QUANTUM}-{3 * QUANTUM - 1}/{3 * QUANTUM}", data[QUANTUM:])
    assert answer.json()["md5Hash"] == md5_of(data)


def test_a_gap_is_refused_and_the_upload_goes_on(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket)
    put(http, url, f"0-{QUANTUM - 1}/*", bytes(QUANTUM))
    answer = put(http, url, f"{2 * QUANTUM}-{2 * QUANTUM}/{2 * QUANTUM + 1}", b"x")
    assert answer.status_code == 503
    assert "exceeds already uploaded size" in answer.json()["error"]["message"]
    assert put(http, url, f"{QUANTUM}-{QUANTUM}/{QUANTUM + 1}", b"x").status_code == 200


def test_the_odd_tail_of_a_chunk_is_not_kept(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket)
    answer = put(http, url, f"0-{QUANTUM + 9}/*", bytes(QUANTUM + 10))
    assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{QUANTUM - 1}")
    assert "range" not in put(http, begin(http, bucket), "0-9/*", bytes(10)).headers


@pytest.mark.parametrize(("span", "size"), [("0-9/10", 9), ("5-2/10", 3), ("0-9/5", 10), ("nonsense", 1), ("*/10", 3)])
def test_a_content_range_that_does_not_fit_is_refused(bucket: Any, http: httpx2.Client, span: str, size: int) -> None:
    assert put(http, begin(http, bucket), span, bytes(size)).status_code == 400


def test_the_announced_length_binds(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket, headers={"x-upload-content-length": "10", "x-upload-content-type": "text/x"})
    assert put(http, url, "0-4/5", b"12345").status_code == 400
    answer = put(http, url, "0-9/10", b"1234567890")
    assert (answer.status_code, answer.json()["contentType"]) == (200, "text/x")


def test_a_body_without_a_range_is_the_whole_object(bucket: Any, http: httpx2.Client) -> None:
    assert http.put(begin(http, bucket), content=b"whole").json()["size"] == "5"
    assert http.put(begin(http, bucket), content=iter([b"who", b"le"])).json()["size"] == "5"


def test_a_range_without_an_end_lasts_to_the_end_of_the_request(bucket: Any, http: httpx2.Client) -> None:
    answer = put(http, begin(http, bucket), "0-*/*", b"whole")
    assert (answer.status_code, answer.json()["size"]) == (200, "5")
    url = begin(http, bucket)
    put(http, url, f"0-{QUANTUM - 1}/*", bytes(QUANTUM))
    assert put(http, url, f"{QUANTUM}-*/*", b"rest").json()["size"] == str(QUANTUM + 4)


def test_metadata_that_is_too_large_is_named(bucket: Any, http: httpx2.Client) -> None:
    head = b'--B\r\nContent-Type: application/json\r\n\r\n{"metadata":{"a":"' + b"a" * (2 << 20) + b'"}}'
    answer = http.post(
        f"/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart&name=x",
        content=head + b"\r\n--B\r\n\r\nhello\r\n--B--",
        headers={"content-type": "multipart/related; boundary=B"},
    )
    assert (answer.status_code, "Metadata part is too large" in answer.text) == (413, True)


def test_a_cancelled_upload_is_gone(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket)
    put(http, url, f"0-{QUANTUM - 1}/*", bytes(QUANTUM))
    assert http.delete(url).status_code == 499
    assert put(http, url, "*/*").status_code == 499
    assert put(http, url[:-4], "*/*").status_code == 404
    assert not bucket.blob("x").exists()


def test_an_interrupted_request_keeps_whole_quanta_and_can_be_resumed(bucket: Any, http: httpx2.Client) -> None:
    data = os.urandom(4 * QUANTUM)
    url = begin(http, bucket)

    def broken() -> Iterator[bytes]:
        yield data[: 2 * QUANTUM + 5]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        put(http, url, f"0-{len(data) - 1}/{len(data)}", broken(), **{"content-length": str(len(data))})  # type: ignore[arg-type]
    kept = int(put(http, url, "*/*").headers.get("range", "bytes=0--1").removeprefix("bytes=0-")) + 1
    assert kept % QUANTUM == 0
    answer = put(http, url, f"{kept}-{len(data) - 1}/{len(data)}", data[kept:])
    assert answer.json()["md5Hash"] == md5_of(data)


def test_preconditions_of_a_resumable_upload_hold_at_its_start_and_at_its_end(bucket: Any, http: httpx2.Client) -> None:
    url = begin(http, bucket, "&ifGenerationMatch=0")
    bucket.blob("x").upload_from_string(b"quicker")
    assert put(http, url, "0-2/3", b"abc").status_code == 412
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=x&ifGenerationMatch=0"
    assert http.post(path).status_code == 412
    assert bucket.blob("x").download_as_bytes() == b"quicker"


def test_a_308_can_be_had_as_a_200(bucket: Any, http: httpx2.Client) -> None:
    headers = {"content-range": "bytes */*", "x-guploader-no-308": "yes"}
    answer = http.put(begin(http, bucket), headers=headers)
    assert (answer.status_code, answer.headers["x-http-status-code-override"]) == (200, "308")


def test_custom_metadata_has_a_limit(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"k": "v" * (8 << 10)}
    with pytest.raises(exceptions.BadRequest):
        blob.upload_from_string(b"x")


def test_an_encrypted_object_opens_to_its_key_only(bucket: Any) -> None:
    key, other = os.urandom(32), os.urandom(32)
    bucket.blob("x", encryption_key=key).upload_from_string(b"secret")
    assert bucket.blob("x", encryption_key=key).download_as_bytes() == b"secret"
    with pytest.raises(exceptions.BadRequest):
        bucket.blob("x").download_as_bytes()
    with pytest.raises(exceptions.Forbidden):
        bucket.blob("x", encryption_key=other).download_as_bytes()
    bucket.blob("y", encryption_key=other).rewrite(bucket.blob("x", encryption_key=key))
    assert bucket.blob("y", encryption_key=other).download_as_bytes() == b"secret"
