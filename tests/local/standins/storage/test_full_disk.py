"""A disk that is full under the storage stand-in: nothing acknowledged is lost, and no event for it either."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from tests.local.standins.full_disk import full_disk
from tests.local.standins.storage.conftest import Served, client_of

QUANTUM = 256 << 10


class Receiver:
    """Takes events; `arrived(names)` waits until each object was told of."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                with outer._changed:
                    outer._told.add(self.headers["ce-subject"].removeprefix("objects/"))
                    outer._changed.notify_all()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def arrived(self, names: set[str]) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: names <= self._told, 90)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("room", [0, 40_000])
def test_what_was_acknowledged_is_kept_and_told_of_and_the_rest_was_refused(
    serve: Callable[..., Served], receiver: Receiver, tmp_path: Path, room: int
) -> None:
    served = serve(data=tmp_path / "data", buckets=["inbox"])
    served.call(lambda: served.stand_in.subscribe("inbox", {"finalized"}, receiver.url, name="in"))
    kept: dict[str, bytes] = {}
    refused = set()
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=30) as http:

        def upload(name: str) -> None:
            data = os.urandom(20_000)
            answer = http.post(f"/upload/storage/v1/b/inbox/o?uploadType=media&name={name}", content=data)
            if answer.status_code == 200:
                kept[name] = data
            else:
                assert answer.status_code == 503, "what a client tries again"
                assert "could not be kept" in answer.json()["error"]["message"]
                refused.add(name)

        served.call(lambda: served.stand_in.set_events(hold=True))
        for number in range(10):
            upload(f"before-{number}")
        served.call(lambda: served.stand_in.set_events(hold=False))
        with full_disk(room):
            for number in range(10):
                upload(f"full-{number}")
        for number in range(3):
            upload(f"after-{number}")
    assert len(refused) >= 1
    assert len(kept) + len(refused) == 23
    assert {"before-0", "after-0"} <= kept.keys()
    assert receiver.arrived(set(kept))
    with client_of(served.url) as client:
        bucket = client.bucket("inbox")
        assert {blob.name for blob in bucket.list_blobs()} == set(kept)
        for name, data in kept.items():
            assert bucket.blob(name).download_as_bytes() == data


@pytest.mark.parametrize("room", [0, QUANTUM // 2, QUANTUM + 77])
def test_an_upload_that_met_a_full_disk_goes_on_without_a_byte_lost_or_doubled(
    serve: Callable[..., Served], tmp_path: Path, room: int
) -> None:
    served = serve(data=tmp_path / "data", buckets=["inbox"])
    data = os.urandom(3 * QUANTUM)
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=30) as http:
        session = http.post("/upload/storage/v1/b/inbox/o?uploadType=resumable&name=big").headers["location"]
        headers = {"content-range": f"bytes 0-{2 * QUANTUM - 1}/{len(data)}"}
        with full_disk(room):
            assert http.put(session, content=data[: 2 * QUANTUM], headers=headers).status_code == 503
        status = http.put(session, headers={"content-range": "bytes */*"})
        stored = int(status.headers["range"].rpartition("-")[2]) + 1 if "range" in status.headers else 0
        assert stored % QUANTUM == 0
        headers = {"content-range": f"bytes {stored}-{len(data) - 1}/{len(data)}"}
        assert http.put(session, content=data[stored:], headers=headers).status_code == 200
        assert http.get("/download/storage/v1/b/inbox/o/big?alt=media").content == data
