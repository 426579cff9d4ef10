"""Sixty files of every kind, each event delivered five times, workers killed: the money is counted to the token, every
task is one trace, and nothing that was secret stands where it must not."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from google.pubsub_v1.services.subscriber import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from local.layout import INBOX, SOURCE, TOPIC
from tests.chaos.promises import settle
from tests.running import ENDED, SAMPLES, Running, until
from tests.shared.long_files import numbered_recording

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
    pytest.mark.timeout(900),
]

FILES = 60
SUBSCRIPTION = "projects/dropsight-local/subscriptions/sixty"
RECIPES = """
[[recipe]]
name = "several"
for = { prefix = "cached/" }
takes = "text"
outputs = ["md"]
asks = [
  { name = "one", prompt = "First?" },
  { name = "two", prompt = "Second?" },
  { name = "three", prompt = "Third?" },
]

[[recipe]]
name = "parts"
use = "transcribe"
for = { prefix = "split/" }
split_minutes = 1

[[recipe]]
name = "form"
for = { prefix = "form/" }
takes = "text"
prompt = "Fill in the form."
outputs = ["json"]
response_schema = { type = "object", required = ["n"], properties = { n = { type = "integer" } } }
"""
USUAL = ("speech.wav", "speech.flac", "report.pdf", "picture.png", "photo.jpg", "clip.mp4", "notes.txt")
ONCE = (
    "speech.mp3",
    "speech.m4a",
    "speech.ogg",
    "ugly/letter.docx",
    "ugly/letter.rtf",
    "ugly/clip.mkv",
    "ugly/data.json",
)
LARGE = b"A sentence of the large file that is asked about. " * 400
COUNTED = ("prompt_tokens", "cached_tokens", "answer_tokens")


@dataclass
class Planted:
    """Values that are easy to find again. What functions are given as secrets may stand nowhere."""

    content: str = "PLANTED-IN-A-FILE"
    prompt: str = "PLANTED-IN-A-PROMPT"
    answer: str = "PLANTED-IN-AN-ANSWER"
    metadata: str = "PLANTED-IN-METADATA"
    query: str = "PLANTED-IN-A-QUERY"
    signing: str = base64.b64encode(b"planted as the signing secret").decode()
    gemini_key: str = "local-stand-in"
    api_key: str = ""
    other_key: str = "sk-planted-wrong-key"
    errors: list[str] = field(default_factory=list)
    """Bodies of errors that the API answered."""

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.signing, self.gemini_key, self.api_key, self.other_key)

    @property
    def content_of_tasks(self) -> tuple[str, ...]:
        return (self.content, self.prompt, self.answer, self.metadata)


planted = Planted()


@pytest.fixture(scope="module")
def system() -> Iterator[Running]:
    """The local system once all files have been answered."""
    with Running(
        DROPSIGHT_TRACES="console",
        DROPSIGHT_EVENTS_TOPIC=TOPIC,
        DROPSIGHT_CALLBACK_SECRET=f"whsec_{planted.signing}",
        DROPSIGHT_ALLOW_LOOPBACK="true",
        DROPSIGHT_INBOXES=json.dumps({INBOX: {"recipes": f"gs://{SOURCE}/recipes/all.toml"}}),
    ) as running:
        planted.api_key = running.endpoints.api_key
        channel = grpc.insecure_channel(running.endpoints.pubsub)
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        client.create_subscription(request={"name": SUBSCRIPTION, "topic": TOPIC})
        channel.close()
        running.bucket(SOURCE).blob("recipes/all.toml").upload_from_string(RECIPES)
        running.control("PUT", "/events", {"copies": 5})
        drop_many(running)
        settle(running, 53, seconds=300)
        answer_in_several_calls(running)
        ask_for_flex(running)
        with receiver() as address:
            send_requests(running, address)
            settle(running, FILES, seconds=120)
        # The last of a task's spans is in the log some time after the task has ended.
        until(lambda: len(traced_ends(running)) == FILES, 60, lambda: f"{len(traced_ends(running))} ends are traced")
        yield running


def traced_ends(system: Running) -> set[str]:
    """The tasks of which the log has the span that ended them."""
    return {
        span["task"] for span in system.logged("span") if span["span"] == "generate" and span.get("status") in ENDED
    }


@contextmanager
def receiver() -> Iterator[str]:
    """A receiver of callbacks that wants no more of them."""

    class Gone(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(410)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gone)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def drop_many(system: Running) -> None:
    """Drop 53 files: of all families, converted, for flex, shared in a cache, and split."""
    for number in range(5):
        for name in USUAL:
            system.drop(f"usual-{number}/{name}", SAMPLES / name)
    for name in ONCE:
        system.drop(f"once/{name.rpartition('/')[2]}", SAMPLES / name)
    for name in (*USUAL[2:5], "notes.txt", "speech.ogg", "clip.mp4"):
        system.drop(f"flex/{name}", SAMPLES / name, dropsight_service_tier="flex")
    for number in range(3):
        system.drop(f"cached/{number}.txt", LARGE + bytes(number), "text/plain")
    for number in range(2):
        system.drop(f"split/{number}.wav", numbered_recording(65 + number, "wav", "pcm_s16le"))


def answer_in_several_calls(system: Running) -> None:
    """Drop three files whose first answer is cut or wrong. The worker dies once that is stored, the next goes on."""
    behaviours: dict[str, dict[str, Any]] = {
        "continued/cut.txt": {"finish_reason": "MAX_TOKENS"},
        "form/repaired.txt": {"text": f"no JSON but {planted.answer}"},
        "killed/once.txt": {},
    }
    for count, (name, behaviour) in enumerate(behaviours.items(), 54):
        system.model(**behaviour)
        system.fault("storage", "/upload/storage/v1/b/dropsight-results", kill="after", times=1)
        system.drop(name, f"words and {planted.content}".encode(), "text/plain", note=planted.metadata)
        until(lambda: not system.control("GET", "/faults"), 60, lambda: "nobody was killed")
        system.model(reset=True)
        if name.startswith("form/"):
            system.model(text='{"n": 1}')
        settle(system, count, seconds=120)
        system.model(reset=True)


def ask_for_flex(system: Running) -> None:
    """Drop a file whose flex tier is refused at first."""
    system.model(flex_status=503)
    uri = system.drop("flex/refused.txt", b"some words", "text/plain", dropsight_service_tier="flex")
    until(lambda: system.task_of(uri).get("waiting"), 60, lambda: f"flex was not refused: {system.task_of(uri)}")
    system.model(reset=True)


def send_requests(system: Running, address: str) -> None:
    """Send three requests with secrets in each field, one of which fails, and some that are refused."""
    callback = f"{address}/hook?token={planted.query}"
    content = f"{planted.prompt} {planted.content}"
    body = {
        "model": "gemini-3.5-flash-lite",
        "messages": [{"role": "user", "content": content}],
        "callback_url": callback,
        "metadata": {"note": planted.metadata},
    }
    number = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    schema = {"type": "json_schema", "json_schema": {"schema": number}}
    system.model(text=json.dumps({"n": planted.answer}))
    failing = system.http.post("/v1/llm/generations", json={**body, "response_format": schema})
    assert failing.status_code == 200, failing.text
    settle(system, 58, seconds=120)
    system.model(reset=True)
    for _ in range(2):
        assert system.http.post("/v1/llm/generations", json=body).status_code == 200
    wrong = {"Authorization": f"Bearer {planted.other_key}"}
    for answer in (
        system.http.post("/v1/llm/generations", json=body, headers=wrong),
        system.http.post("/v1/llm/generations", json={**body, "model": "gpt-4o"}),
        system.http.post("/v1/llm/generations", json={**body, "messages": [{"role": "user", "text": content}]}),
        system.http.post("/v1/llm/generations", content=json.dumps(body)[:-9]),
        system.http.get("/v1/tasks/task-llm-0000000000-aaaaaaaa"),
    ):
        assert answer.status_code >= 400
        planted.errors.append(answer.text)


def rounds(tasks: list[Any]) -> list[Any]:
    return [call for task in tasks for call in task["usage"]["rounds"]]


def in_ledgers(calls: list[Any]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for call in calls:
        counted.update({name: call[name] for name in COUNTED})
        counted["thought_tokens"] += call["thinking_tokens"]
    return counted


def billed(system: Running, prefix: str = "") -> Counter[str]:
    stats = system.control("GET", "/stats")["gemini"]
    return Counter({name: stats.get(f"{prefix}{name}", 0) for name in (*COUNTED, "thought_tokens")})


def test_every_kind_of_call_was_made(system: Running) -> None:
    tasks = system.tasks()
    calls = {task.get("source", ""): task["usage"]["calls"] for task in tasks}
    assert len(tasks) == FILES
    assert Counter(task["status"] for task in tasks) == {"completed": FILES - 1, "failed": 1}
    assert calls[f"gs://{INBOX}/continued/cut.txt"] == calls[f"gs://{INBOX}/form/repaired.txt"] == 2
    assert calls[f"gs://{INBOX}/split/0.wav"] == 2
    assert calls[f"gs://{INBOX}/cached/0.txt"] == 3
    assert len([task for task in tasks if task["usage"]["service_tier"] == "flex"]) == 7
    assert len([task for task in tasks if task["usage"]["prompt_tokens_details"]["cached_tokens"]]) == 3
    lost = [task for task in tasks if "worker_lost" in str(task["usage"]["attempts"])]
    assert len(lost) == 3


def test_ledgers_agree_with_what_the_service_counted_token_for_token(system: Running) -> None:
    calls = rounds(system.tasks())
    assert in_ledgers(calls) == billed(system)
    assert in_ledgers([call for call in calls if call["service_tier"] == "flex"]) == billed(system, "flex_")


def test_totals_are_the_sums_of_the_tasks(system: Running) -> None:
    tasks = system.tasks()
    costs = [Decimal(task["usage"]["cost"]) for task in tasks]
    assert len([task for task in tasks if "cache_storage" in task["usage"]]) == 3
    for task in tasks:
        charges = [*task["usage"]["rounds"], task["usage"].get("cache_storage", {"cost": "0"})]
        assert Decimal(task["usage"]["cost"]) == sum(Decimal(charge["cost"]) for charge in charges)
    for groups in ("day", "key,inbox", "prefix", "recipe", "model"):
        usage = system.http.get("/v1/usage", params={"group_by": groups}).json()
        assert sum(row["tasks"] for row in usage["data"]) == usage["total"]["tasks"] == FILES
        assert sum(Decimal(row["cost"]) for row in usage["data"]) == Decimal(usage["total"]["cost"]) == sum(costs)
    lost = [task["usage"]["lost_calls"] for task in tasks if "lost_calls" in task["usage"]]
    assert usage["total"]["lost_calls"] == sum(entry["calls"] for entry in lost) == 2
    assert Decimal(usage["total"]["assumed_cost"]) == sum(Decimal(entry["assumed_cost"]) for entry in lost) > 0
    assert usage["total"]["calls"] == len(rounds(tasks))
    assert usage["total"]["prompt_tokens"] == sum(task["usage"]["prompt_tokens"] for task in tasks)
    assert usage["total"]["failed"] == 1


def test_a_task_is_one_trace_from_its_event_over_the_queue_to_its_outcome(system: Running) -> None:
    spans = system.logged("span")
    by_id = {span["span_id"]: span for span in spans}
    for task in system.tasks():
        mine = [span for span in spans if span.get("task") == task["id"] and span["span"] == "generate"]
        ended = [span for span in mine if span.get("status") == task["status"]]
        assert ended, f"no span ended {task['id']}: {mine}"
        (last,) = ended
        steps = {span["span"] for span in spans if span.get("parent_id") == last["span_id"]}
        assert "after_work" in steps
        root = last
        while root.get("parent_id") in by_id:
            root = by_id[root["parent_id"]]
        assert root["span"] in ("ingest", "api"), f"{task['id']} was not traced from its beginning"
        assert root["trace_id"] == last["trace_id"]
    notified = [span for span in spans if span["span"] == "notify"]
    assert {by_id[span["parent_id"]]["span"] for span in notified} == {"after_work"}


def test_no_secret_stands_in_any_log_document_file_event_span_or_error(system: Running) -> None:
    documents = json.dumps(system.documents(), default=str)
    files = [blob.download_as_text() for blob in system.results.list_blobs() if blob.name.endswith(".task.json")]
    assert len(files) >= FILES - 3
    answers = json.dumps(system.tasks())
    places = {
        "the log": system.whole_log,
        "documents": documents,
        ".task.json": "".join(files),
        "events": events(system),
        "answers": answers,
        "errors": "".join(planted.errors),
    }
    found = [(secret, place) for secret in planted.secrets for place, text in places.items() if secret in text]
    assert found == []
    del places["documents"]
    assert [place for place, text in places.items() if planted.query in text] == []


def test_nothing_of_the_content_stands_in_a_log_or_a_span(system: Running) -> None:
    assert system.logged("span")
    assert system.logged("task_failed")
    kept = json.dumps(system.documents(), default=str)
    assert [secret for secret in planted.content_of_tasks if secret not in kept] == []
    found = [
        (secret, line)
        for line in system.whole_log.splitlines()
        for secret in planted.content_of_tasks
        if secret in line
    ]
    assert found == []


def events(system: Running) -> str:
    """All events of ended tasks."""
    channel = grpc.insecure_channel(system.endpoints.pubsub)
    client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
    request = {"subscription": SUBSCRIPTION, "max_messages": 1000, "return_immediately": True}
    received = client.pull(request=request).received_messages
    channel.close()
    assert len(received) >= FILES
    return "".join(f"{dict(delivery.message.attributes)}{delivery.message.data.decode()}" for delivery in received)
