"""A disk that is full under the Files API: an upload is refused, and goes on once there is room."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.local.standins.full_disk import full_disk
from tests.local.standins.gemini.conftest import Running

GRANULARITY = 256 * 1024


@pytest.mark.parametrize("room", [0, 4096, GRANULARITY + 5000])
def test_an_upload_goes_on_from_what_was_acknowledged(own: Running, room: int) -> None:
    data = os.urandom(3 * GRANULARITY)
    start = {
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-length": str(len(data)),
        "x-goog-upload-header-content-type": "text/plain",
    }
    url = own.wire.post("/upload/v1/files", headers=start, json={"file": {"name": "big"}}).headers["x-goog-upload-url"]
    chunk = {"x-goog-upload-command": "upload", "x-goog-upload-offset": "0"}
    with full_disk(room):
        refused = own.wire.post(url, headers=chunk, content=data[: 2 * GRANULARITY])
    assert refused.status_code == 503
    received = int(
        own.wire.post(url, headers={"x-goog-upload-command": "query"}).headers["x-goog-upload-size-received"]
    )
    last = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": str(received)}
    answer = own.wire.post(url, headers=last, content=data[received:])
    assert answer.status_code == 200
    stored = own.stand_in._files.path("big").read_bytes()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(data).digest()
    with full_disk():
        assert own.wire.post("/upload/v1/files", headers=start, json={"file": {"name": "other"}}).status_code == 503
