"""ingest and generate in one process, with the real Google clients, on stand-ins; the model can be given a script."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from pydantic.alias_generators import to_camel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.firestore import FirestoreStandIn
from local.standins.gemini import GeminiStandIn
from local.standins.gemini.errors import error_body
from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from local.standins.storage import StorageStandIn
from local.standins.storage.catalog import EventType
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.firestore import Tasks
from shared.domain.tasks import postponement
from shared.domain.tasks.task import Task
from tests.environment import function_environment, move_to_morning
from tests.functions.wired import DEFAULTS, FunctionApp, Traffic, unwire

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "samples"
INBOX, RULED, RESULTS, REQUESTS, SETTINGS = "inbox", "ruled", "results", "requests", "settings"
MANIFESTS = "manifests:tests"
QUEUE = "projects/test/locations/here/queues/dispatch"
FINALIZED: EventType = "finalized"
DELETED: EventType = "deleted"

Body = dict[str, Any]


class ScriptedModel(GeminiStandIn):
    """Keeps what it was asked; answers as `script` says, one entry for each generation, then as the stand-in does.

    An entry is what `PUT /model` takes, or a `status` to refuse with and perhaps a `message`; what it does not name is
    at its default.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[tuple[str, Body]] = []
        """Model and body of each generation that was answered."""
        self.counted: list[Body] = []
        self.script: deque[dict[str, Any]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        model, _, method = scope["path"].rpartition("/models/")[2].partition(":")
        if method not in ("generateContent", "streamGenerateContent", "countTokens"):
            return await super().__call__(scope, receive, send)
        raw = b""
        more = True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        if method == "countTokens":
            self.counted.append(json.loads(raw))
        else:
            wanted = self.script.popleft() if self.script else {}
            if status := wanted.get("status"):
                body, headers = error_body(status, None)
                if "message" in wanted:
                    body = json.dumps({"error": {**json.loads(body)["error"], "message": wanted["message"]}}).encode()
                return await Response(body, status, headers)(scope, receive, send)
            self.asked.append((model, json.loads(raw)))
            self.set_model({**DEFAULTS, **wanted})
        whole = deque([{"type": "http.request", "body": raw, "more_body": False}])

        async def again() -> Any:
            return whole.popleft() if whole else await receive()

        return await super().__call__(scope, again, send)


@dataclass
class System:
    clock: MovableClock
    tap: Tap
    model: ScriptedModel
    tasks: Tasks
    objects: Client
    traffic: Traffic

    async def drop(self, name: str, data: bytes | Path, *, bucket: str = INBOX, **metadata: str) -> str:
        """Write an object; underscores in the names of metadata are dashes. Returns its `gs://` name."""

        def write() -> None:
            blob = self.objects.bucket(bucket).blob(name)
            blob.metadata = {key.replace("_", "-"): value for key, value in metadata.items()} or None
            content = data if isinstance(data, bytes) else data.read_bytes()
            blob.upload_from_string(content, content_type="application/octet-stream")

        await asyncio.to_thread(write)
        return f"gs://{bucket}/{name}"

    async def task(self, uri: str) -> Task | None:
        """The newest task of an object."""
        bucket = uri.removeprefix("gs://").partition("/")[0]
        owner = f"manifests:{uri.split('/')[4]}" if bucket == REQUESTS else f"inbox:{bucket}"
        newest = await self.tasks.page([owner], limit=1, uri=uri)
        return newest[0] if newest else None

    async def until(self, uri: str, wanted: Any, *, skip_waits: bool = False) -> Task:
        """The task of an object once `wanted(task)` holds; `skip_waits`: it waits for no dispatch that is not due.

        The test's own time limit holds, which says how slow the machine was and where each task stands.
        """
        task: Task | None = None
        seen: tuple[int, int] | None = None
        while True:
            if (written := self.traffic.writes()) != seen:
                task, seen = await self.task(uri), written
            if task is not None and wanted(task):
                return task
            self._skip_wait(seen, skip_waits)
            await asyncio.sleep(0.03)

    async def until_all(self, uris: Sequence[str], wanted: Any) -> list[Task]:
        """The tasks of objects once `wanted(task)` holds for each; none waits for a dispatch that is not due."""
        seen: tuple[int, int] | None = None
        while True:
            if (written := self.traffic.writes()) != seen:
                tasks, seen = [await self.task(uri) for uri in uris], written
                there = [task for task in tasks if task is not None and wanted(task)]
                if len(there) == len(uris):
                    return there
            self._skip_wait(seen, True)
            await asyncio.sleep(0.03)

    def _skip_wait(self, seen: tuple[int, int] | None, wanted: bool) -> None:
        """Move the clock to the next dispatch, unless documents were written since they were looked at."""
        if wanted and seen == self.traffic.writes():
            self.traffic.skip_wait()

    async def let_time_pass(self, uri: str, *, until: Callable[[], bool], step: float = 10.0) -> None:
        """Move the clock in steps until `until()` holds; after each step the object's task renews its lease.

        A step is short against the lease of 60 s, so that nobody takes over a task whose holder is alive.
        """
        while not until():
            self.clock.advance(step)
            due = self.clock.now() + timedelta(seconds=60) * 2 / 3 - timedelta(seconds=step)
            await self.until(uri, lambda task, due=due: task.lease_until is None or task.lease_until > due)

    async def answered(self, name: str, data: bytes | Path, **options: str) -> Task:
        """Drop a file and wait until nothing is left to do for its task."""
        return await self.ended(await self.drop(name, data, **options))

    async def ended(self, uri: str) -> Task:
        """The task of an object once nothing is left to do for it; it waits for no dispatch that is not due."""
        return await self.until(uri, lambda task: task.terminal and not task.after, skip_waits=True)

    async def requested(self, name: str, **request: Any) -> Task:
        """Write a manifest and wait until nothing is left to do for its task."""
        body = {"model": "gemini-2.5-flash-lite", **request}
        return await self.answered(f"manifests/tests/{name}.json", json.dumps(body).encode(), bucket=REQUESTS)

    async def published(self, task: Task) -> dict[str, bytes]:
        """The files of a task by their endings, once all are written: a task ends before they are."""
        uri = f"gs://{task.source.bucket}/{task.source.name}"
        await self.until(uri, lambda newest: newest.terminal and "publish" not in newest.after)

        def read() -> dict[str, bytes]:
            bucket, stem = self.objects.bucket(RESULTS), f"{task.source.bucket}/{task.source.name}."
            return {blob.name.removeprefix(stem): blob.download_as_bytes() for blob in bucket.list_blobs(prefix=stem)}

        return await asyncio.to_thread(read)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared_system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("generate")
    clock, tap = MovableClock(folder / "clock"), Tap()
    documents = FirestoreStandIn(clock=clock, data=None, tap=tap, indexes=ROOT / "terraform" / "firestore.indexes.json")
    objects = StorageStandIn(
        clock=clock, data=folder / "storage", tap=tap, buckets=(INBOX, RULED, RESULTS, REQUESTS, SETTINGS)
    )
    model = ScriptedModel(clock=clock, data=folder / "gemini", tap=tap)
    spec = QueueSpec(QUEUE, max_dispatches_per_second=500, max_concurrent_dispatches=16)
    queue = QueueStandIn(clock=clock, data=None, tap=tap, sign=Issuer(clock).token, queues=(spec,))
    servers = {name: HttpServer(FunctionApp(name)) for name in ("ingest", "generate")}
    urls = {name: f"http://127.0.0.1:{await server.start()}" for name, server in servers.items()}
    environment = function_environment(
        STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{await objects.start()}",
        FIRESTORE_EMULATOR_HOST=f"127.0.0.1:{await documents.start()}",
        GOOGLE_GEMINI_BASE_URL=f"http://127.0.0.1:{await model.start()}",
        DROPSIGHT_INBOXES=json.dumps(
            {INBOX: {}, RULED: {"recipes": f"gs://{SETTINGS}/recipes.toml", "documents": True}}
        ),
        DROPSIGHT_MANIFEST_SOURCES=json.dumps(
            {
                "tests": [f"gs://{INBOX}/"],
                "reader": [f"gs://{RULED}/"],
                "north": [f"gs://{RULED}/contracts/north/", f"gs://{RULED}/contracts/so"],
            }
        ),
        DROPSIGHT_CLOCK=str(folder / "clock"),
        DROPSIGHT_DISPATCH_QUEUE=QUEUE,
        DROPSIGHT_GENERATE_URL=urls["generate"],
        DROPSIGHT_QUEUE_ENDPOINT=f"127.0.0.1:{await queue.start()}",
        DROPSIGHT_SETTLE_SECONDS="0",
    )
    del environment["DROPSIGHT_CALLBACK_QUEUE"]
    for bucket in (INBOX, RULED, REQUESTS):
        objects.subscribe(
            bucket, {FINALIZED} if bucket == REQUESTS else {FINALIZED, DELETED}, urls["ingest"], dict, name=bucket
        )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.delenv("GOOGLE_API_KEY", raising=False)
        patch.setattr(postponement, "_back_off", _some_seconds_later)
        await unwire()
        client = Client(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        tasks = Tasks("test", "(default)")
        yield System(clock, tap, model, tasks, client, Traffic(clock, tap, model, objects, queue))
        await asyncio.gather(*(server.stop() for server in servers.values()))
        await unwire()
        await tasks.client._firestore_api.transport.close()
        client.close()
        await asyncio.gather(*(standin.stop() for standin in (queue, objects, model, documents)))


@pytest_asyncio.fixture(loop_scope="session")
async def system(shared_system: System) -> AsyncIterator[System]:
    """The system with nothing recorded, nothing scripted and no faults; left with nothing under way."""
    move_to_morning(shared_system.clock)
    shared_system.model.asked.clear()
    shared_system.model.counted.clear()
    yield shared_system
    shared_system.model.script.clear()
    await shared_system.traffic.leave_nothing_behind()


def _some_seconds_later(now: datetime, times: int, random: Random) -> datetime:
    """Put a task off for longer than a busy machine may take to look at it; tests need not wait for it."""
    return now + timedelta(seconds=random.uniform(15, 25))


def camelled(value: Body) -> Body:
    """The API takes both spellings, and the client sends a mixture."""
    return {to_camel(name): camelled(inner) if isinstance(inner, dict) else inner for name, inner in value.items()}


def words(body: Body) -> str:
    """The prompt of a request: the text of its first turn."""
    return "".join(part.get("text", "") for part in body["contents"][0]["parts"])


@pytest.fixture
def own_calls(system: System) -> Iterator[None]:
    """Count only the test's own calls to services, and leave none of its faults behind."""
    system.tap.ledger.forget()
    yield
    system.tap.faults.clear()


def warned(task: Task) -> tuple[str, ...]:
    """A task's warnings but for the model's end, which comes by the calendar, and those about money."""
    left_out = (" shut down on ", "model_rerouted: ", "What this cost is not known")
    return tuple(warning for warning in task.warnings if not any(part in warning for part in left_out))


def answers(task: Task) -> list[str]:
    assert task.error is None, task.error
    results: list[Any] = list(task.results or ())
    return [str(result["choices"][0]["message"]["content"]) for result in results]
