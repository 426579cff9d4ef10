"""What other services learn of a task's end: its event, and a callback that carries a token of notify's account."""

from __future__ import annotations

import base64
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.layout import TOPIC
from tests.running import Running

# It lets a test look without waiting.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:The return_immediately flag")]
SUBSCRIPTION = "projects/dropsight-local/subscriptions/everything"


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    with Running(DROPSIGHT_EVENTS_TOPIC=TOPIC, DROPSIGHT_LEASE_SECONDS="5", DROPSIGHT_ALLOW_LOOPBACK="true") as running:
        yield running


@pytest.fixture(scope="module")
def subscriber(system: Running) -> Iterator[Any]:
    channel = grpc.insecure_channel(system.endpoints.pubsub)
    client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    client.create_subscription(request={"name": SUBSCRIPTION, "topic": TOPIC})
    yield client
    channel.close()


def pulled(subscriber: Any) -> list[Any]:
    request = {"subscription": SUBSCRIPTION, "max_messages": 1000, "return_immediately": True}
    received = list(subscriber.pull(request=request).received_messages)
    if received:
        subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[delivery.ack_id for delivery in received])
    return [delivery.message for delivery in received]


def test_an_ended_task_is_told_with_its_results(system: Running, subscriber: Any) -> None:
    task = system.end_of(system.drop("told.txt", b"Some text.\n", "text/plain"))
    system.wait_for_documents(1)
    (message,) = [message for message in pulled(subscriber) if message.attributes["ce-id"] == task["id"]]
    assert message.attributes["ce-type"] == "dropsight.task.completed"
    assert message.attributes["inbox"] == system.endpoints.inbox
    data = json.loads(message.data)
    assert data["results"][0]["choices"][0]["message"]["content"]
    assert data["outputs"], "the event goes out once the files are published"


def test_a_callback_to_googles_end_points_carries_a_token_of_notify(system: Running) -> None:
    received: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    workflow = "/v1/projects/1/locations/l/workflows/w/executions/e/callbacks/c"
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        try:
            for path in ("/ended?x=1", workflow):
                request = {
                    "model": "gemini-2.5-flash-lite",
                    "messages": [{"role": "user", "content": "What is this?"}],
                    "callback_url": f"{origin}{path}",
                    "callback_auth": "google",
                }
                assert system.http.post("/v1/llm/generations", json=request).status_code == 200
            calls = {path: (headers, body) for path, headers, body in (received.get(timeout=60) for _ in range(2))}
        finally:
            server.shutdown()
    for headers, body in calls.values():
        assert json.loads(body)["status"] == "completed"
        assert headers["webhook-signature"]
    _, claims, _ = calls["/ended?x=1"][0]["authorization"].removeprefix("Bearer ").split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (decoded["aud"], decoded["email"]) == (origin, "dropsight-notify@dropsight-local.iam.gserviceaccount.com")
    assert calls[workflow][0]["authorization"].startswith("Bearer ya29.")
    tokens = [headers["authorization"].removeprefix("Bearer ") for headers, _ in calls.values()]
    assert not [token for token in tokens if token in system.whole_log or token in str(system.documents())]
