from __future__ import annotations

import gzip
import os
from typing import Any
from urllib.parse import quote, unquote

import httpx2
import pytest
from google.api_core import exceptions

DATA = os.urandom(3_000_000)


@pytest.fixture
def path(bucket: Any) -> str:
    bucket.blob("x").upload_from_string(DATA, content_type="audio/wav")
    return f"/storage/v1/b/{bucket.name}/o/x?alt=media"


def test_the_whole_object_comes_with_what_is_known_of_it(path: str, bucket: Any, http: httpx2.Client) -> None:
    blob = bucket.get_blob("x")
    for place in (path, "/download" + path):
        answer = http.get(place)
        assert answer.content == DATA
        assert answer.headers["content-length"] == answer.headers["x-goog-stored-content-length"] == str(len(DATA))
        assert answer.headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
        assert answer.headers["x-goog-generation"] == str(blob.generation)
        assert answer.headers["x-goog-metageneration"] == "1"
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["etag"] == blob.etag


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=2999990-", 2_999_990, 3_000_000),
        ("bytes=-5", 2_999_995, 3_000_000),
        ("bytes=-9999999", 0, 3_000_000),
        ("bytes=1048575-2097153", 1_048_575, 2_097_154),
        ("bytes=2999999-9999999", 2_999_999, 3_000_000),
    ],
)
def test_a_range_is_answered_with_that_part(path: str, http: httpx2.Client, asked: str, start: int, end: int) -> None:
    answer = http.get(path, headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == DATA[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=3000000-", "bytes=9999999-99999999", "bytes=-0"])
def test_a_range_past_the_end_cannot_be_satisfied(path: str, http: httpx2.Client, asked: str) -> None:
    answer = http.get(path, headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,5-6"])
def test_a_range_that_is_none_is_passed_over(path: str, http: httpx2.Client, asked: str) -> None:
    answer = http.get(path, headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, len(DATA))


def test_any_range_of_an_empty_object_cannot_be_satisfied(bucket: Any, http: httpx2.Client) -> None:
    bucket.blob("e").upload_from_string(b"")
    answer = http.get(f"/storage/v1/b/{bucket.name}/o/e?alt=media", headers={"range": "bytes=0-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */0")


def test_the_client_reads_ranges_and_chunks(path: str, bucket: Any) -> None:
    blob = bucket.blob("x")
    assert blob.download_as_bytes(start=5, end=9) == DATA[5:10]
    assert bucket.blob("x", chunk_size=256 << 10).download_as_bytes() == DATA
    with blob.open("rb", chunk_size=256 << 10) as file:
        file.seek(-7, os.SEEK_END)
        assert file.read() == DATA[-7:]
        assert file.read() == b""


def test_a_generation_that_was_overwritten_is_gone(path: str, bucket: Any) -> None:
    old = bucket.get_blob("x")
    bucket.blob("x").upload_from_string(b"new")
    pinned = bucket.blob("x", generation=old.generation)
    assert not pinned.exists()
    with pytest.raises(exceptions.NotFound):
        pinned.download_as_bytes()


def test_versions_can_be_read_where_they_are_kept(versioned: Any) -> None:
    blob = versioned.blob("x")
    generations = []
    for content in (b"one", b"two"):
        blob.upload_from_string(content)
        generations.append(blob.generation)
    versioned.delete_blob("x")
    assert not versioned.blob("x").exists()
    assert [versioned.blob("x", generation=generation).download_as_bytes() for generation in generations] == [
        b"one",
        b"two",
    ]
    listed = list(versioned.list_blobs(versions=True))
    assert [found.generation for found in listed] == generations
    assert all(found.time_deleted for found in listed)
    versioned.delete_blob("x", generation=generations[0])
    assert [found.generation for found in versioned.list_blobs(versions=True)] == generations[1:]


def test_a_download_under_way_is_not_disturbed_by_an_overwrite(path: str, bucket: Any, http: httpx2.Client) -> None:
    with http.stream("GET", path) as answer:
        pieces = answer.iter_bytes()
        first = next(pieces)
        bucket.blob("x").upload_from_string(b"new")
        assert first + b"".join(pieces) == DATA


def test_gzip_content_is_unpacked_for_who_does_not_take_it(bucket: Any, http: httpx2.Client) -> None:
    text = b"some text, again and again. " * 100_000
    packed = gzip.compress(text)
    blob = bucket.blob("g")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="text/plain")
    assert bucket.get_blob("g").size == len(packed)
    assert blob.download_as_bytes(raw_download=True) == packed
    assert blob.download_as_bytes() == text
    path = f"/download/storage/v1/b/{bucket.name}/o/g?alt=media"
    plain = http.get(path, headers={"accept-encoding": "identity", "range": "bytes=0-3"})
    assert (plain.status_code, plain.content) == (200, text)
    assert "content-encoding" not in plain.headers
    assert plain.headers["x-goog-stored-content-encoding"] == "gzip"
    assert plain.headers["x-goog-stored-content-length"] == str(len(packed))
    with http.stream("GET", path, headers={"accept-encoding": "gzip", "range": "bytes=0-3"}) as raw:
        assert (raw.status_code, raw.headers["content-encoding"]) == (206, "gzip")
        assert b"".join(raw.iter_raw()) == packed[:4]
    blob.cache_control = "no-transform"
    blob.patch()
    with http.stream("GET", path, headers={"accept-encoding": "identity"}) as raw:
        assert b"".join(raw.iter_raw()) == packed


def test_texts_that_are_not_latin_come_in_headers_too(bucket: Any, http: httpx2.Client) -> None:
    blob = bucket.blob("x")
    blob.content_disposition = 'attachment; filename="日本.wav"'
    blob.metadata = {"title": "日本 50%"}
    blob.upload_from_string(b"x")
    answer = http.get(f"/storage/v1/b/{bucket.name}/o/x?alt=media")
    assert answer.content == b"x"
    assert answer.headers["x-goog-meta-title"] == "%E6%97%A5%E6%9C%AC 50%25"


ODD = [
    " ends in a blank ",
    "\ttab\t",
    "two\nlines",
    "\r",
    "\x00\x01\x7f",
    "日本 ",
    "\u00a0",
    "\u2028",
    "",
    " ",
    "é;ü=ß",
    "a\x0bb",
]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_metadata_of_any_text_is_kept_and_leaves_the_object_readable(
    bucket: Any, http: httpx2.Client, text: str
) -> None:
    blob = bucket.blob("x")
    blob.metadata = {"title": text, f"key {text}/(,)": "value"}
    blob.upload_from_string(b"content")
    assert bucket.get_blob("x").metadata == blob.metadata
    assert bucket.blob("x").download_as_bytes() == b"content"
    for path in (f"/storage/v1/b/{bucket.name}/o/x?alt=media", f"/{bucket.name}/x"):
        answer = http.get(path)
        assert (answer.status_code, answer.content) == (200, b"content")
        assert unquote(answer.headers["x-goog-meta-title"]) == text.strip(" ")


@pytest.mark.parametrize("text", ODD, ids=ascii)
@pytest.mark.parametrize("field", ["contentType", "contentDisposition", "contentLanguage", "cacheControl"])
def test_fixed_metadata_of_any_text_is_refused_or_leaves_the_object_readable(
    bucket: Any, http: httpx2.Client, field: str, text: str
) -> None:
    bucket.blob("x").upload_from_string(b"content")
    patched = http.patch(f"/storage/v1/b/{bucket.name}/o/x", json={field: text})
    assert patched.status_code == (400 if "\n" in text or "\r" in text else 200)
    answer = http.get(f"/storage/v1/b/{bucket.name}/o/x?alt=media")
    assert (answer.status_code, answer.content) == (200, b"content")


@pytest.mark.parametrize("name", ["blank at the end ", " blank before", "日本.wav", "a\x01b", "tab\t", "%0A", "ü/é "])
def test_objects_of_any_name_can_be_read_and_are_told_of(bucket: Any, http: httpx2.Client, name: str) -> None:
    bucket.blob(name).upload_from_string(b"content")
    assert bucket.blob(name).download_as_bytes() == b"content"
    assert http.get(f"/{bucket.name}/{quote(name, safe='')}").content == b"content"
    assert [blob.name for blob in bucket.list_blobs()] == [name]


def test_half_a_surrogate_pair_is_refused(bucket: Any, http: httpx2.Client) -> None:
    bucket.blob("x").upload_from_string(b"content")
    headers = {"content-type": "application/json"}
    body = b'{"metadata": {"a": "\\ud800"}}'
    assert http.patch(f"/storage/v1/b/{bucket.name}/o/x", content=body, headers=headers).status_code == 400
    body = b'{"metadata": {"a": "\\ud83d\\ude00"}}'
    assert http.patch(f"/storage/v1/b/{bucket.name}/o/x", content=body, headers=headers).status_code == 200
    assert bucket.get_blob("x").metadata == {"a": "\U0001f600"}


def test_a_content_type_in_a_multipart_upload_may_hold_any_text(bucket: Any) -> None:
    blob = bucket.blob("x")
    blob.upload_from_string(b"content", content_type="text/plain; title=Grüße")
    assert bucket.get_blob("x").content_type == "text/plain; title=Grüße"
    assert bucket.blob("x").download_as_bytes() == b"content"


@pytest.mark.parametrize(
    ("accepted", "unpacked"),
    [
        ("gzip", False),
        ("br, GZIP;q=0.5", False),
        ("gzip;q=0", True),
        ("gzip; q=0.000, br", True),
        ("", True),
        ("br", True),
    ],
)
def test_gzip_is_unpacked_by_what_the_caller_accepts(
    bucket: Any, http: httpx2.Client, accepted: str, unpacked: bool
) -> None:
    packed = gzip.compress(b"text")
    blob = bucket.blob("g")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed)
    path = f"/storage/v1/b/{bucket.name}/o/g?alt=media"
    with http.stream("GET", path, headers={"accept-encoding": accepted}) as answer:
        assert b"".join(answer.iter_raw()) == (b"text" if unpacked else packed)
        assert answer.headers.get("content-encoding") == (None if unpacked else "gzip")
        assert answer.headers.get("warning") == ("214 UploadServer gunzipped" if unpacked else None)
        # Of what is stored, in both forms: a caller who checks what was unpacked against them is wrong.
        assert answer.headers["x-goog-hash"] == f"crc32c={blob.crc32c},md5={blob.md5_hash}"
        assert answer.headers["x-goog-stored-content-length"] == str(len(packed))


def test_an_encrypted_object_shows_its_checksums_and_gives_its_bytes_to_its_key_only(
    bucket: Any, http: httpx2.Client
) -> None:
    key = os.urandom(32)
    bucket.blob("x", encryption_key=key).upload_from_string(b"secret")
    path = f"/storage/v1/b/{bucket.name}/o/x"
    for query in ("?alt=media", "?alt=media&generation="):
        refused = http.get(path + query, headers={"range": "bytes=0-1"})
        assert refused.status_code == 400
        assert refused.json()["error"]["errors"][0]["reason"] == "resourceIsEncryptedWithCustomerEncryptionKey"
    assert http.get(f"/{bucket.name}/x").status_code == 400
    listed = http.get(f"/storage/v1/b/{bucket.name}/o").json()["items"][0]
    for shown in (http.get(path).json(), listed):
        assert shown["customerEncryption"]["encryptionAlgorithm"] == "AES256"
        assert "crc32c" not in shown
        assert "md5Hash" not in shown
    mine = bucket.blob("x", encryption_key=key)
    mine.reload()
    assert mine.crc32c
    assert mine.download_as_bytes() == b"secret"


def test_a_missing_object_is_not_found(bucket: Any, http: httpx2.Client) -> None:
    for query in ("", "?alt=media", "?generation=5"):
        answer = http.get(f"/storage/v1/b/{bucket.name}/o/none{query}")
        assert answer.status_code == 404
        assert answer.json()["error"] == {
            "code": 404,
            "message": f"No such object: {bucket.name}/none",
            "errors": [{"message": f"No such object: {bucket.name}/none", "domain": "global", "reason": "notFound"}],
        }
