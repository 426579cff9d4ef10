from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shared.clock import MovableClock
from tests.local.standins.storage.conftest import Served, client_of

EVERY = {"finalized", "deleted", "archived", "metadataUpdated"}


class Inbox:
    """An HTTP server that keeps what it is sent and answers as `statuses` says, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: queue.Queue[tuple[dict[str, str], dict[str, Any]]] = queue.Queue()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = inbox.statuses.pop(0) if inbox.statuses else 204
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
                inbox.got.put(({name.lower(): value for name, value in self.headers.items()}, body))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        return self.got.get(timeout=60)

    def take(self, count: int) -> list[tuple[str, str]]:
        """Kind and object of the next events, sorted: their order is not promised."""
        got = [self.next() for _ in range(count)]
        return sorted((headers["ce-type"].rsplit(".", 1)[1], body["name"]) for headers, body in got)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


@pytest.fixture
def clock(tmp_path: Path) -> MovableClock:
    return MovableClock(tmp_path / "clock")


@pytest.fixture
def served(serve: Callable[..., Served], clock: MovableClock) -> Served:
    return serve(clock=clock, buckets=["inbox", "other"])


@pytest.fixture
def bucket(served: Served) -> Iterator[Any]:
    with client_of(served.url) as client:
        yield client.bucket("inbox")


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def pending(served: Served) -> int:
    return int(served.call(served.stand_in.pending))


def scheduled(served: Served) -> tuple[int, float]:
    """How often the one delivery that is pending was tried, and when it is due."""
    sql = "SELECT attempts, due FROM deliveries"
    [(attempts, due)] = served.call(lambda: served.stand_in._events._store.rows(sql))
    return attempts, due


def test_a_finalized_object_is_told_of_as_a_binary_cloudevent(served: Served, bucket: Any, inbox: Inbox) -> None:
    served.call(
        lambda: served.stand_in.subscribe("inbox", {"finalized"}, inbox.url, lambda: {"authorization": "Bearer t"})
    )
    blob = bucket.blob("folder/für dich.wav")
    blob.metadata = {"a": "1"}
    blob.upload_from_string(b"sound", content_type="audio/wav")
    headers, body = inbox.next()
    blob.reload()
    assert headers["ce-type"] == "google.cloud.storage.object.v1.finalized"
    assert headers["ce-source"] == "//storage.googleapis.com/projects/_/buckets/inbox"
    assert headers["ce-subject"] == "objects/folder/f%C3%BCr%20dich.wav"
    assert (headers["ce-specversion"], headers["ce-bucket"]) == ("1.0", "inbox")
    assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer t")
    assert headers["ce-id"]
    assert headers["ce-time"] == body["updated"]
    assert body == blob._properties
    until(lambda: pending(served) == 0)


def test_every_change_has_its_event(served: Served, bucket: Any, inbox: Inbox) -> None:
    served.call(lambda: served.stand_in.subscribe("inbox", EVERY, inbox.url))
    blob = bucket.blob("x")
    blob.upload_from_string(b"x")
    assert inbox.take(1) == [("finalized", "x")]
    blob.upload_from_string(b"y")
    assert inbox.take(2) == [("deleted", "x"), ("finalized", "x")]
    blob.metadata = {"a": "1"}
    blob.patch()
    assert inbox.take(1) == [("metadataUpdated", "x")]
    bucket.copy_blob(blob, bucket, "copy")
    bucket.blob("rewritten").rewrite(blob)
    bucket.blob("composed").compose([blob])
    assert inbox.take(3) == [("finalized", "composed"), ("finalized", "copy"), ("finalized", "rewritten")]
    with bucket.blob("resumed").open("wb") as file:
        file.write(b"x")
    assert inbox.take(1) == [("finalized", "resumed")]
    bucket.move_blob(bucket.blob("copy"), "moved")
    assert inbox.take(2) == [("deleted", "copy"), ("finalized", "moved")]
    bucket.delete_blob("x")
    assert inbox.take(1) == [("deleted", "x")]
    bucket.versioning_enabled = True
    bucket.patch()
    bucket.blob("moved").upload_from_string(b"x")
    assert inbox.take(2) == [("archived", "moved"), ("finalized", "moved")]


def test_each_destination_gets_its_bucket_s_events(served: Served, bucket: Any, inbox: Inbox) -> None:
    every = Inbox()
    served.call(lambda: served.stand_in.subscribe("inbox", {"finalized"}, inbox.url))
    served.call(lambda: served.stand_in.subscribe(None, {"finalized"}, every.url))
    bucket.client.bucket("other").blob("o").upload_from_string(b"")
    bucket.blob("i").upload_from_string(b"")
    assert every.take(2) == [("finalized", "i"), ("finalized", "o")]
    assert inbox.take(1) == [("finalized", "i")]
    every.close()


def test_an_event_comes_again_after_a_growing_wait_until_it_is_taken(
    served: Served, bucket: Any, inbox: Inbox, clock: MovableClock
) -> None:
    inbox.statuses = [500, 429, 302]
    served.call(lambda: served.stand_in.subscribe("inbox", {"finalized"}, inbox.url))
    bucket.blob("x").upload_from_string(b"x")
    ids = {inbox.next()[0]["ce-id"]}
    for attempts, wait in enumerate((10, 20, 40), 1):
        until(lambda attempts=attempts: scheduled(served)[0] == attempts)  # type: ignore[misc]
        due = scheduled(served)[1] - clock.time()
        assert wait - 5 <= due <= wait + 5
        assert inbox.got.empty()
        clock.advance(due)
        ids.add(inbox.next()[0]["ce-id"])
    assert len(ids) == 1
    until(lambda: pending(served) == 0)


def test_an_event_that_nobody_takes_is_dropped_after_a_day(
    served: Served, bucket: Any, inbox: Inbox, clock: MovableClock
) -> None:
    inbox.statuses = [503] * 1000
    served.call(lambda: served.stand_in.subscribe("inbox", {"finalized"}, inbox.url))
    bucket.blob("x").upload_from_string(b"x")
    inbox.next()
    clock.advance(86_400)
    until(lambda: pending(served) == 0)


def test_events_can_be_repeated_delayed_held_lost_and_replayed(
    served: Served, bucket: Any, inbox: Inbox, clock: MovableClock
) -> None:
    served.call(lambda: served.stand_in.subscribe("inbox", {"finalized"}, inbox.url))
    served.call(lambda: served.stand_in.set_events(copies=3))
    bucket.blob("a").upload_from_string(b"")
    assert inbox.take(3) == [("finalized", "a")] * 3
    served.call(lambda: served.stand_in.set_events(copies=1, hold=True))
    bucket.blob("b").upload_from_string(b"")
    assert pending(served) >= 1
    served.call(lambda: served.stand_in.set_events(hold=False))
    assert inbox.take(1) == [("finalized", "b")]
    served.call(lambda: served.stand_in.set_events(hold=True))
    bucket.blob("c").upload_from_string(b"")
    assert served.call(served.stand_in.lose_held) == 1
    served.call(lambda: served.stand_in.set_events(hold=False, delay_seconds=3600, unordered=True))
    bucket.blob("d").upload_from_string(b"")
    assert 3000 < scheduled(served)[1] - clock.time() <= 3600
    clock.advance(3600)
    assert inbox.take(1) == [("finalized", "d")]
    served.call(lambda: served.stand_in.set_events(delay_seconds=0))
    assert served.call(lambda: served.stand_in.replay(2)) == 8
    assert inbox.take(8) == sorted([("finalized", name) for name in "abcd"] * 2)


def test_events_not_yet_delivered_outlive_a_restart(serve: Callable[..., Served], inbox: Inbox, tmp_path: Path) -> None:
    first = Served(data=tmp_path / "data", buckets=["inbox"])
    first.call(lambda: first.stand_in.subscribe("inbox", {"finalized"}, "http://127.0.0.1:9/", name="ingest"))
    with client_of(first.url) as client:
        client.bucket("inbox").blob("x").upload_from_string(b"x")
    assert pending(first) == 1
    first.stop()
    later = MovableClock(tmp_path / "clock")
    later.advance(30)
    second = serve(data=tmp_path / "data", clock=later)
    second.call(lambda: second.stand_in.subscribe("inbox", {"finalized"}, inbox.url, name="ingest"))
    assert inbox.take(1) == [("finalized", "x")]
