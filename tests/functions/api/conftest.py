"""The whole road in one process and one loop: the real function apps, the real Google clients, the stand-ins."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import functions_framework.aio
import httpx2
import pytest
import pytest_asyncio
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient
from google.cloud.storage import Client
from starlette.types import ASGIApp, Receive, Scope, Send

from functions.api.app import app
from functions.api.bodies import bodies
from functions.api.budget import budgets
from functions.api.following import followers
from functions.local.firestore import FirestoreStandIn
from functions.local.gemini import Behaviour, GeminiStandIn
from functions.local.oidc import Issuer
from functions.local.queue import QueueSpec, QueueStandIn
from functions.local.serve import HttpServer
from functions.local.storage import StorageStandIn
from functions.local.storage.catalog import EventType
from functions.local.tap import Tap
from shared import wiring
from shared.clock import MovableClock
from shared.cloud.keys import Keys, new_secret
from shared.domain.access import Key
from shared.domain.answer import Json

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "samples"
INBOX, OTHER_INBOX, RESULTS, REQUESTS = "inbox", "other-inbox", "results", "requests"
CALLBACK_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
QUEUES = "projects/test/locations/here/queues"
FINALIZED: EventType = "finalized"


@dataclass
class Road:
    """The system under test, and the way to its api."""

    clock: MovableClock
    tap: Tap
    firestore: FirestoreStandIn
    storage: StorageStandIn
    gemini: GeminiStandIn
    queue: QueueStandIn
    url: str
    keys: Keys
    objects: Client
    database: AsyncClient

    async def key(self, key_id: str, **fields: object) -> str:
        """A new key's secret."""
        secret = new_secret()
        given = {"name": key_id, "created_at": self.clock.now(), "requests_per_minute": 100_000, **fields}
        await self.keys.store(secret, Key.model_validate({"id": key_id, **given}))
        return secret

    async def drop(self, name: str, data: bytes, *, bucket: str = INBOX, content_type: str | None = None) -> None:
        def write() -> None:
            blob = self.objects.bucket(bucket).blob(name)
            blob.upload_from_string(data, content_type=content_type)

        await asyncio.to_thread(write)

    async def ended(self, secret: str, uri: str) -> Json:
        """The task of a dropped object, once it has ended and all is published."""
        async with self.client(secret) as client, asyncio.timeout(20):
            while True:
                listed = (await client.get("/v1/tasks", params={"object": uri})).json()["data"]
                if listed and listed[0]["status"] in ("completed", "failed") and "outputs" in listed[0]:
                    return cast(Json, listed[0])
                await asyncio.sleep(0.05)

    async def quiet(self) -> None:
        """Until no function has anything left to do."""
        async with asyncio.timeout(20):
            while self.storage.pending() or not self.queue.idle():
                await asyncio.sleep(0.02)

    def client(self, secret: str | None, **headers: str) -> httpx2.AsyncClient:
        given = {"Authorization": f"Bearer {secret}", **headers} if secret else headers
        return httpx2.AsyncClient(base_url=self.url, headers=given, timeout=30)


class FunctionApp:
    """A function as functions-framework serves it, loaded at its first request: the environment is complete then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            source = str(ROOT / "functions" / self._name / "main.py")
            self._app = functions_framework.aio.create_asgi_app(self._name, source)  # type: ignore[no-untyped-call]
        await self._app(scope, receive, send)


@pytest.fixture(autouse=True)
def _well_behaved(road: Road) -> Iterator[None]:
    """Each test leaves the model and the services as it found them."""
    yield
    road.gemini.set_model(dict.fromkeys(Behaviour.model_fields))
    road.tap.faults.clear()


def only_this_machine(host: str | bytes | None, *rest: Any, **options: Any) -> Any:
    """Name resolution that asks nobody: examples of requests name files on the web."""
    if host not in (None, "localhost", b"localhost"):
        options = {**options, "flags": options.get("flags", 0) | socket.AI_NUMERICHOST}
        rest = rest[:4]
    return _resolve(host, *rest, **options)


_resolve = socket.getaddrinfo


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def road(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Road]:
    folder = tmp_path_factory.mktemp("road")
    clock, tap = MovableClock(folder / "clock"), Tap()
    issuer = Issuer(clock)
    indexes = ROOT / "terraform" / "firestore.indexes.json"
    documents = FirestoreStandIn(clock=clock, data=None, tap=tap, indexes=indexes)
    objects = StorageStandIn(
        clock=clock, data=folder / "storage", tap=tap, buckets=(INBOX, OTHER_INBOX, RESULTS, REQUESTS)
    )
    model = GeminiStandIn(clock=clock, data=folder / "gemini", tap=tap)
    queue = QueueStandIn(
        clock=clock,
        data=None,
        tap=tap,
        sign=issuer.token,
        queues=(
            QueueSpec(f"{QUEUES}/dispatch", max_dispatches_per_second=500, max_concurrent_dispatches=16),
            QueueSpec(f"{QUEUES}/callbacks", min_backoff=5.0, max_attempts=-1, max_retry_duration=86_400),
        ),
    )
    servers = {name: HttpServer(FunctionApp(name)) for name in ("api", "ingest", "generate", "notify")}
    urls = {name: f"http://127.0.0.1:{await server.start()}" for name, server in servers.items()}
    environment = {
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{await objects.start()}",
        "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{await documents.start()}",
        "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{await model.start()}",
        "GOOGLE_CLOUD_PROJECT": "test",
        "GEMINI_API_KEY": "stand-in",
        "DROPSIGHT_PROJECT": "test",
        "DROPSIGHT_ENVIRONMENT": "test",
        "DROPSIGHT_INBOXES": json.dumps({INBOX: {}, OTHER_INBOX: {}}),
        "DROPSIGHT_REQUESTS_BUCKET": REQUESTS,
        "DROPSIGHT_RESULTS_BUCKET": RESULTS,
        "DROPSIGHT_CLOCK": str(folder / "clock"),
        "DROPSIGHT_DISPATCH_QUEUE": f"{QUEUES}/dispatch",
        "DROPSIGHT_CALLBACK_QUEUE": f"{QUEUES}/callbacks",
        "DROPSIGHT_GENERATE_URL": urls["generate"],
        "DROPSIGHT_NOTIFY_URL": urls["notify"],
        "DROPSIGHT_INVOKER": "tasks@test.iam.gserviceaccount.com",
        "DROPSIGHT_QUEUE_ENDPOINT": f"127.0.0.1:{await queue.start()}",
        "DROPSIGHT_CALLBACK_SECRET": CALLBACK_SECRET,
        "DROPSIGHT_INSTALLED_AT": "2020-01-01T00:00:00+00:00",
        "DROPSIGHT_ALLOW_LOOPBACK": "true",
        "DROPSIGHT_MANIFEST_SOURCES": json.dumps({"billing": [f"gs://{OTHER_INBOX}/bills/"]}),
        "DROPSIGHT_CORS_ORIGINS": json.dumps(["https://app.example"]),
    }
    os.environ.pop("GOOGLE_API_KEY", None)
    socket.getaddrinfo = only_this_machine
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    for bucket in (INBOX, OTHER_INBOX, REQUESTS):
        objects.subscribe(bucket, {FINALIZED}, urls["ingest"], dict, name=bucket)
    database = AsyncClient(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    yield Road(
        clock,
        tap,
        documents,
        objects,
        model,
        queue,
        urls["api"],
        Keys(database, clock),
        Client(project="test", credentials=AnonymousCredentials()),  # type: ignore[no-untyped-call]
        database,
    )
    for server in servers.values():
        await server.stop()
    for standin in (queue, objects, model, documents):
        await standin.stop()
    socket.getaddrinfo = _resolve
    for built in (
        wiring.api,
        wiring.ingest,
        wiring.generate,
        wiring.notify,
        wiring.sweep,
        followers,
        budgets,
        bodies,
        app,
    ):
        built.cache_clear()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
