"""The whole system in one process and one loop: the real function apps, the real Google clients, the stand-ins."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import pytest_asyncio
from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import AsyncClient
from google.cloud.storage import Client

from local.standins.cloud_tasks import QueueSpec, QueueStandIn
from local.standins.firestore import FirestoreStandIn
from local.standins.gemini import GeminiStandIn
from local.standins.oidc import Issuer
from local.standins.serve import HttpServer
from local.standins.storage import StorageStandIn
from local.standins.storage.catalog import EventType
from local.standins.wire_tap import Tap
from shared.clock import MovableClock
from shared.cloud.keys import Keys, new_secret
from shared.domain.answer.response import Json
from shared.domain.tasks.access import Key
from tests.environment import function_environment, move_to_morning
from tests.functions.wired import FunctionApp, Traffic, unwire

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "samples"
INBOX, OTHER_INBOX, RESULTS, REQUESTS = "inbox", "other-inbox", "results", "requests"
QUEUES = "projects/test/locations/here/queues"
FINALIZED: EventType = "finalized"
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For all clients, none of which talks TLS: to make a context for each would take as long as its request."""


@dataclass
class System:
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
    traffic: Traffic

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
        """The task of a dropped object, once it has ended and nothing is left to do for any."""
        seen: tuple[int, int] | None = None
        async with self.client(secret) as client:
            while True:
                while (written := self.traffic.writes()) == seen:
                    await asyncio.sleep(0.02)
                seen = written
                listed = (await client.get("/v1/tasks", params={"object": uri})).json()["data"]
                if listed and listed[0]["status"] in ("completed", "failed") and "outputs" in listed[0]:
                    await self.quiet()
                    return cast(Json, (await client.get("/v1/tasks", params={"object": uri})).json()["data"][0])

    async def quiet(self) -> None:
        """Until no function has anything left to do."""
        while self.storage.pending() or not self.queue.idle():
            await asyncio.sleep(0.02)

    def client(self, secret: str | None, **headers: str) -> httpx2.AsyncClient:
        given = {"Authorization": f"Bearer {secret}", **headers} if secret else headers
        return httpx2.AsyncClient(base_url=self.url, headers=given, timeout=90, verify=_TLS)


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def _well_behaved(system: System) -> AsyncIterator[None]:
    """Each test leaves the model and the services as it found them, and nothing under way."""
    move_to_morning(system.clock)
    yield
    await system.traffic.leave_nothing_behind()


def only_this_machine(host: str | bytes | None, *rest: Any, **options: Any) -> Any:
    """Name resolution that asks nobody: examples of requests name files on the web."""
    if host not in (None, "localhost", b"localhost"):
        options = {**options, "flags": options.get("flags", 0) | socket.AI_NUMERICHOST}
        rest = rest[:4]
    return _resolve(host, *rest, **options)


_resolve = socket.getaddrinfo


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
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
    environment = function_environment(
        STORAGE_EMULATOR_HOST=f"http://127.0.0.1:{await objects.start()}",
        FIRESTORE_EMULATOR_HOST=f"127.0.0.1:{await documents.start()}",
        GOOGLE_GEMINI_BASE_URL=f"http://127.0.0.1:{await model.start()}",
        DROPSIGHT_INBOXES=json.dumps({INBOX: {}, OTHER_INBOX: {}}),
        DROPSIGHT_CLOCK=str(folder / "clock"),
        DROPSIGHT_GENERATE_URL=urls["generate"],
        DROPSIGHT_NOTIFY_URL=urls["notify"],
        DROPSIGHT_QUEUE_ENDPOINT=f"127.0.0.1:{await queue.start()}",
        DROPSIGHT_ALLOW_LOOPBACK="true",
        DROPSIGHT_MANIFEST_SOURCES=json.dumps({"billing": [f"gs://{OTHER_INBOX}/bills/"]}),
        DROPSIGHT_CORS_ORIGINS=json.dumps(["https://app.example"]),
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.delenv("GOOGLE_API_KEY", raising=False)
        patch.setattr(socket, "getaddrinfo", only_this_machine)
        await unwire()
        for bucket in (INBOX, OTHER_INBOX, REQUESTS):
            objects.subscribe(bucket, {FINALIZED}, urls["ingest"], dict, name=bucket)
        database = AsyncClient(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        client = Client(project="test", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        keys, traffic = Keys(database, clock), Traffic(clock, tap, model, objects, queue)
        yield System(clock, tap, documents, objects, model, queue, urls["api"], keys, client, database, traffic)
        await asyncio.gather(*(server.stop() for server in servers.values()))
        await unwire()
        await database._firestore_api.transport.close()
        client.close()
        await asyncio.gather(*(standin.stop() for standin in (queue, objects, model, documents)))
