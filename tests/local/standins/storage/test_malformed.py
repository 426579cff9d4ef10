"""Requests that no client should send: each is refused with a 400 that names what is wrong, never a 500."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx2
import pytest

LONG = "9" * 5000
BUCKET_BODIES = {
    "lifecycle": [5, {"rule": 5}, {"rule": [5]}, {"rule": [None]}, {"rule": [{"action": 5}]}],
    "labels": [5, ["a"]],
    "retentionPolicy": [5, {"retentionPeriod": "x"}, {"retentionPeriod": LONG}, {"isLocked": True}],
    "iamConfiguration": [5, {"uniformBucketLevelAccess": 5}, {"publicAccessPrevention": []}],
    "encryption": [5, "x"],
    "softDeletePolicy": [5, {"retentionDurationSeconds": {}}],
    "autoclass": [5, {"enabled": "yes"}],
    "versioning": [5, {"enabled": 1}],
    "cors": [5, [5], [{"method": "GET"}]],
    "storageClass": [5, []],
}


@pytest.mark.parametrize("field", BUCKET_BODIES)
def test_a_bucket_s_field_of_a_wrong_type_is_refused_by_its_name(bucket: Any, http: httpx2.Client, field: str) -> None:
    before = http.get(f"/storage/v1/b/{bucket.name}").json()
    for value in BUCKET_BODIES[field]:
        for method in ("PATCH", "PUT"):
            answer = http.request(method, f"/storage/v1/b/{bucket.name}", json={field: value})
            assert answer.status_code == 400, value
        made = http.post("/storage/v1/b?project=p", json={"name": f"{bucket.name}-other", field: value})
        assert (made.status_code, made.json()["error"]["code"]) == (400, 400)
        assert any(word in made.text for word in (field, field.removesuffix("Policy"), "retention period"))
    assert http.get(f"/storage/v1/b/{bucket.name}").json() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "o/new/compose", {"sourceObjects": 5}),
        ("POST", "o/new/compose", {"sourceObjects": [5]}),
        ("POST", "o/new/compose", {"sourceObjects": [{"name": "x", "generation": "abc"}]}),
        ("POST", "o/new/compose", {"sourceObjects": [{"name": "x", "generation": LONG}]}),
        ("POST", "o/new/compose", {"sourceObjects": [{"name": "x", "objectPreconditions": 5}]}),
        ("POST", "o/new/compose", {"sourceObjects": [{"name": "x"}], "destination": 5}),
        ("PUT", "iam", {"bindings": 5}),
        ("PUT", "iam", {"bindings": [{"role": 5, "members": 5}]}),
        ("PUT", "iam", {"bindings": [], "version": "new"}),
        ("POST", "notificationConfigs", {"topic": 5, "payload_format": "NONE"}),
        ("POST", "notificationConfigs", {"topic": "t", "payload_format": "NONE", "event_types": 5}),
    ],
)
def test_other_bodies_of_wrong_types_are_refused(
    bucket: Any, http: httpx2.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    bucket.blob("x").upload_from_string("x")
    answer = http.request(method, f"/storage/v1/b/{bucket.name}/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, 400)


@pytest.mark.parametrize("body", ["[" * 100_000, '{"labels":' * 3000 + "1" + "}" * 3000])
def test_a_body_that_is_nested_too_deeply_is_refused(bucket: Any, http: httpx2.Client, body: str) -> None:
    assert http.patch(f"/storage/v1/b/{bucket.name}", content=body).status_code == 400


@pytest.mark.parametrize("header", [f"bytes={LONG}-", f"bytes=-{LONG}", f"bytes=0-{LONG}"])
def test_a_range_of_too_many_digits_is_passed_over(bucket: Any, http: httpx2.Client, header: str) -> None:
    bucket.blob("x").upload_from_string("hello")
    answer = http.get(f"/storage/v1/b/{bucket.name}/o/x?alt=media", headers={"range": header})
    assert (answer.status_code, answer.content) == (200, b"hello")


@pytest.mark.parametrize("header", [f"bytes 0-{LONG}/{LONG}", f"bytes */{LONG}", f"bytes {LONG}-{LONG}/*"])
def test_a_content_range_of_too_many_digits_is_refused(bucket: Any, http: httpx2.Client, header: str) -> None:
    address = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=x"
    session = http.post(address, json={}).headers["location"]
    assert http.put(session, content=b"ab", headers={"content-range": header}).status_code == 400
    assert http.post(address, json={}, headers={"x-upload-content-length": LONG}).status_code == 400


def test_a_batch_with_a_broken_address_is_refused(http: httpx2.Client) -> None:
    body = b"--B\r\nContent-Type: application/http\r\n\r\nGET http://[ HTTP/1.1\r\n\r\n\r\n--B--"
    answer = http.post("/batch/storage/v1", content=body, headers={"content-type": "multipart/mixed; boundary=B"})
    assert (answer.status_code, "http://[" in answer.text) == (400, True)


def test_a_number_may_come_as_text_and_null_clears(bucket: Any, http: httpx2.Client) -> None:
    path = f"/storage/v1/b/{bucket.name}"
    for period in (60, "60"):
        policy = http.patch(path, json={"retentionPolicy": {"retentionPeriod": period}}).json()["retentionPolicy"]
        assert policy["retentionPeriod"] == "60"
    assert "retentionPolicy" not in http.patch(path, content=json.dumps({"retentionPolicy": None})).json()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_upload_that_does_not_tell_its_length_is_refused(bucket: Any, http: httpx2.Client, version: str) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x"
    with socket.create_connection((http.base_url.host, http.base_url.port), timeout=60) as connection:
        connection.sendall(f"POST {path} HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert not bucket.blob("x").exists()


def test_an_upload_that_breaks_off_leaves_no_object(bucket: Any, http: httpx2.Client) -> None:
    head = f"POST /upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x HTTP/1.1\r\nHost: localhost\r\n"
    for rest in ("Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"):
        with socket.create_connection((http.base_url.host, http.base_url.port), timeout=60) as connection:
            connection.sendall((head + rest).encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(65536) == b""
        assert not bucket.blob("x").exists()


def test_chunks_without_a_length_in_all_are_an_upload(bucket: Any, http: httpx2.Client) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=x"
    assert http.post(path, content=iter([b"abc", b"de"])).status_code == 200
    assert bucket.blob("x").download_as_bytes() == b"abcde"
