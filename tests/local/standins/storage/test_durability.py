from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from local.standins.faults import Fault
from tests.local.standins.storage.conftest import Process, Served, client_of

pytestmark = pytest.mark.long

QUANTUM = 256 << 10


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    running: list[Process] = []

    def begin() -> Process:
        running.append(Process(tmp_path / "data"))
        return running[-1]

    yield begin
    for process in running:
        process.kill()


def test_a_killed_stand_in_loses_nothing_acknowledged(start: Callable[[], Process], tmp_path: Path) -> None:
    first = start()
    data = os.urandom(QUANTUM * 3 + 5)
    with client_of(first.url) as client:
        bucket = client.bucket("inbox")
        kept = bucket.blob("kept")
        kept.upload_from_string(b"content")
        bucket.blob("gone").upload_from_string(b"x")
        bucket.delete_blob("gone")
        session = bucket.blob("resumed").create_resumable_upload_session(if_generation_match=0)
    with httpx2.Client(trust_env=False, timeout=60) as http:
        headers = {"content-range": f"bytes 0-{2 * QUANTUM - 1}/*"}
        assert http.put(session, content=data[: 2 * QUANTUM], headers=headers).status_code == 308
        first.kill()
        (tmp_path / "data" / "contents" / "half-written").write_bytes(b"x")
        second = start()
        session = second.url + session[len(first.url) :]
        status = http.put(session, headers={"content-range": "bytes */*"})
        assert status.headers["range"] == f"bytes=0-{2 * QUANTUM - 1}"
        headers = {"content-range": f"bytes {2 * QUANTUM}-{len(data) - 1}/{len(data)}"}
        assert http.put(session, content=data[2 * QUANTUM :], headers=headers).status_code == 200
    with client_of(second.url) as client:
        bucket = client.bucket("inbox")
        assert [blob.name for blob in bucket.list_blobs()] == ["kept", "resumed"]
        assert bucket.get_blob("kept").generation == kept.generation
        assert bucket.blob("kept").download_as_bytes() == b"content"
        assert bucket.blob("resumed").download_as_bytes() == data
        fresh = bucket.blob("fresh")
        fresh.upload_from_string(b"")
        assert fresh.generation > kept.generation
    assert not (tmp_path / "data" / "contents" / "half-written").exists()


def test_a_large_object_goes_through_in_little_memory(start: Callable[[], Process]) -> None:
    process, size, piece = start(), 192 << 20, os.urandom(1 << 20)
    before = process.peak_memory()
    with httpx2.Client(trust_env=False, timeout=60) as http:
        path = f"{process.url}/upload/storage/v1/b/inbox/o?uploadType=media&name=large"
        answer = http.post(path, content=(piece for _ in range(size >> 20)), headers={"content-length": str(size)})
        assert answer.json()["size"] == str(size)
        got = 0
        with http.stream("GET", f"{process.url}/storage/v1/b/inbox/o/large?alt=media") as stream:
            for block in stream.iter_raw():
                got += len(block)
    assert got == size
    assert process.peak_memory() - before < 40 << 20
    assert process.peak_memory() < 100 << 20


def test_planted_faults_are_answered_in_the_api_s_form_and_retried_by_the_client(serve: Callable[..., Served]) -> None:
    served = serve(buckets=["inbox"])
    served.tap.faults.add([Fault(service="storage", match="/o/x", times=2, status=503)])
    with client_of(served.url) as client:
        blob = client.bucket("inbox").blob("x")
        blob.upload_from_string(b"x")
        assert blob.download_as_bytes() == b"x"
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=60) as http:
        served.tap.faults.add([Fault(service="storage", status=429, times=1, retry_delay=7.0)])
        answer = http.get("/storage/v1/b/inbox")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"


def test_the_ledger_counts_what_would_be_billed(serve: Callable[..., Served]) -> None:
    served = serve(buckets=["inbox"])
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=60) as http:
        http.post("/upload/storage/v1/b/inbox/o?uploadType=media&name=a%20b", content=b"12345")
        session = http.post("/upload/storage/v1/b/inbox/o?uploadType=resumable&name=c").headers["location"]
        http.put(session, content=bytes(QUANTUM), headers={"content-range": f"bytes 0-{QUANTUM - 1}/*"})
        http.put(session, content=b"x", headers={"content-range": f"bytes {QUANTUM}-{QUANTUM}/{QUANTUM + 1}"})
        assert served.tap.ledger.stats()["storage"] == {"class_a": 2, "bytes_in": 5 + QUANTUM + 1}
        http.get("/download/storage/v1/b/inbox/o/a%20b?alt=media")
        http.get("/storage/v1/b/inbox/o/a%20b")
        http.get("/storage/v1/b/inbox/o/none")
        http.get("/storage/v1/b/inbox/o")
        http.delete("/storage/v1/b/inbox/o/a%20b")
    billed = {"class_a": 3, "class_b": 2, "bytes_in": 5 + QUANTUM + 1, "bytes_out": 5}
    assert served.tap.ledger.stats()["storage"] == billed
    noted = [call.get("object") for call in served.tap.ledger.calls("storage")]
    assert noted[:6] == ["gs://inbox/a b", *["gs://inbox/c"] * 3, *["gs://inbox/a b"] * 2]


def test_temporary_data_goes_with_the_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    served = Served(buckets=["inbox"])
    assert list(tmp_path.iterdir())
    served.stop()
    assert not list(tmp_path.iterdir())
