"""The whole of Dropsight on one machine: stand-ins, front door and functions, wired as terraform/ wires the cloud."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from local import endpoints as endpoint_files
from local import state_folder
from local.clock_steps import ClockSteps
from local.control import Control
from local.endpoints import PROJECT, Endpoints
from local.front_door import FrontDoor, Route
from local.layout import (
    EVENTARC,
    FUNCTIONS,
    INBOX,
    INDEXES,
    NOTIFY,
    QUEUES,
    REQUESTS,
    RESULTS,
    SCHEDULER,
    SIZES,
    SOURCE,
    TASKS,
    TOPIC,
    queue_spec,
    storage_policy,
)
from local.page_door import PageDoor
from local.standins.cloud_tasks import QueueStandIn
from local.standins.firestore import FirestoreStandIn
from local.standins.gemini import GeminiStandIn
from local.standins.ledger import Ledger
from local.standins.metadata import MetadataStandIn
from local.standins.oidc import Issuer
from local.standins.pubsub import PubSubStandIn
from local.standins.serve import HttpServer
from local.standins.storage import StorageStandIn
from local.standins.wire_tap import Tap
from local.workers import Report, Worker
from shared.clock import MovableClock

_STARTED_FIRST = ("api", "ingest", "generate")
"""Functions that are started with the system; the others start with their first request."""
_STAND_INS = ("storage", "firestore", "gemini", "queue", "pubsub")
_PROGRESS_SECONDS = 5.0
"""How often a slow start reports which functions it waits for."""


@dataclass(frozen=True)
class Options:
    """How to run. `port_base` 0 takes free ports; `data` None keeps state in a temporary folder."""

    port_base: int = 8080
    data: Path | None = None
    gemini: str = "stand-in"
    settings: dict[str, str] = field(default_factory=dict)
    """Environment variables of the functions, which override the defaults."""
    queue_rate: float = 500.0
    queue_concurrency: int = 8


Progress = Callable[[str], None]
"""Takes a line about what the system does while it starts."""


class _Service(Protocol):
    async def start(self, port: int = 0) -> int: ...

    async def stop(self) -> None: ...


class LocalSystem:
    """`async with LocalSystem(Options(), report) as system:` starts all services and sets `system.endpoints`."""

    def __init__(self, options: Options, report: Report, progress: Progress = lambda _line: None) -> None:
        self.options, self._report, self._progress = options, report, progress
        self._stack = AsyncExitStack()
        self.workers: dict[str, Worker] = {}
        self.endpoints: Endpoints

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        data = self.options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dropsight-")))
        state_folder.set_private_umask()
        state_folder.make_private_folder(data, ("firestore", "storage", "gemini", "queue"))
        stack.enter_context(state_folder.lock_folder(data))
        state_folder.check_folder(data)
        self.data = data
        self.clock = MovableClock(data / "clock")
        self.tap = Tap(ledger=Ledger(self.clock.time), kill=self.kill_holder_of)
        self.issuer = Issuer(self.clock, data)
        persistent = self.options.data is not None
        self.firestore = FirestoreStandIn(
            clock=self.clock, data=data / "firestore" if persistent else None, tap=self.tap, indexes=INDEXES
        )
        self.storage = StorageStandIn(
            clock=self.clock,
            data=data / "storage" if persistent else None,
            tap=self.tap,
            buckets=(INBOX, RESULTS, REQUESTS, SOURCE),
            policy=storage_policy(),
        )
        self.gemini = GeminiStandIn(clock=self.clock, data=data / "gemini", tap=self.tap)
        self.queue = QueueStandIn(
            clock=self.clock,
            data=data / "queue" if persistent else None,
            tap=self.tap,
            sign=self.issuer.token,
            held=True,
            queues=(
                queue_spec("dispatch", self.options.queue_rate, self.options.queue_concurrency),
                queue_spec("callbacks"),
            ),
        )
        self.metadata = MetadataStandIn(
            clock=self.clock, tap=self.tap, sign=self.issuer.token, email=NOTIFY, project=PROJECT
        )
        self.pubsub = PubSubStandIn(clock=self.clock, tap=self.tap, sign=self.issuer.token, topics=(TOPIC,))
        self.front_door = FrontDoor(clock=self.clock, issuer=self.issuer)
        await self._listen(stack)
        await self._make_key(data)
        await self._start_functions(_STARTED_FIRST)

    async def _listen(self, stack: AsyncExitStack) -> None:
        base = self.options.port_base
        ports = iter(range(base, base + 20)) if base else iter([0] * 20)
        doors = {name: HttpServer(self.front_door.app(self._route(name))) for name in FUNCTIONS}
        control = Control(self, ClockSteps(self.clock, self.is_busy, self._activity, self.queue.next_due))
        self.page = PageDoor(self.front_door.app(self._route("api")), control.app, lambda: self.endpoints.api_key)
        doors["api"] = HttpServer(self.page)
        port_of: dict[str, int] = {}
        services: dict[str, _Service] = {
            "api": doors["api"],
            "storage": self.storage,
            "firestore": self.firestore,
            "gemini": self.gemini,
            "queue": self.queue,
            "control": HttpServer(control.app),
            **{name: door for name, door in doors.items() if name != "api"},
            "pubsub": self.pubsub,
            "metadata": self.metadata,
        }
        for name, service in services.items():
            port_of[name] = await service.start(next(ports))
            stack.push_async_callback(service.stop)
            if name in _STAND_INS:
                self._progress(f"{name} answers on 127.0.0.1:{port_of[name]}")
        self._urls = {name: f"http://127.0.0.1:{port}" for name, port in port_of.items()}
        self.endpoints = Endpoints(
            api=self._urls["api"],
            storage=self._urls["storage"],
            firestore=f"127.0.0.1:{port_of['firestore']}",
            gemini="" if self.options.gemini == "real" else self._urls["gemini"],
            queue=f"127.0.0.1:{port_of['queue']}",
            control=self._urls["control"],
            inbox=INBOX,
            results=RESULTS,
            requests=REQUESTS,
            api_key="",
            pubsub=f"127.0.0.1:{port_of['pubsub']}",
        )
        for name, spec in FUNCTIONS.items():
            door = await self.storage.start_door(name, next(ports))
            environment = {
                **self.worker_environment(),
                "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{door}",
                "CLOUD_RUN_TIMEOUT_SECONDS": str(SIZES[name].timeout_seconds),
            }
            if name == "notify":
                environment["GCE_METADATA_HOST"] = f"127.0.0.1:{port_of['metadata']}"
            self.workers[name] = Worker(name, environment, self._report, event=spec.event)
        stack.push_async_callback(self._stop_workers)
        for bucket in (INBOX, REQUESTS):
            self.storage.subscribe(
                bucket,
                {"finalized"} if bucket == REQUESTS else {"finalized", "deleted"},
                self._urls["ingest"],
                lambda: {"Authorization": f"Bearer {self.issuer.token(EVENTARC, self._urls['ingest'])}"},
                name=bucket,
            )
        # Dispatches that an earlier run left on the queues must go to the functions' present ports.
        self.queue.repoint({f"{QUEUES}/dispatch": self._urls["generate"], f"{QUEUES}/callbacks": self._urls["notify"]})
        self.queue.release()

    async def _start_functions(self, names: Collection[str]) -> None:
        began = time.monotonic()
        starting = {asyncio.create_task(self.workers[name].url(), name=name) for name in names}
        self._progress(f"starting the functions {', '.join(names)}")
        try:
            while starting:
                done, starting = await asyncio.wait(
                    starting, timeout=_PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                waited = f"{time.monotonic() - began:.1f} s"
                for task in done:
                    task.result()
                    self._progress(f"{task.get_name()} answers after {waited}")
                if not done:
                    self._progress(f"after {waited} still starting: {', '.join(task.get_name() for task in starting)}")
        finally:
            for task in starting:
                task.cancel()

    def _route(self, name: str) -> Route:
        spec = FUNCTIONS[name]

        async def backend() -> str:
            return await self.workers[name].url()

        size = SIZES[name]
        # One process plays all instances.
        return Route(
            name,
            backend,
            spec.invokers,
            timeout=size.timeout_seconds,
            max_instances=size.max_instances,
            concurrency=size.concurrency,
        )

    def worker_environment(self) -> dict[str, str]:
        """Return the environment variables of the functions."""
        environment = {
            "STORAGE_EMULATOR_HOST": self.endpoints.storage,
            "FIRESTORE_EMULATOR_HOST": self.endpoints.firestore,
            "PUBSUB_EMULATOR_HOST": self.endpoints.pubsub,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "DROPSIGHT_ENVIRONMENT": state_folder.environment_tag(self.data),
            "DROPSIGHT_PROJECT": PROJECT,
            "DROPSIGHT_INBOXES": json.dumps({INBOX: {"documents": True}}),
            "DROPSIGHT_REQUESTS_BUCKET": REQUESTS,
            "DROPSIGHT_RESULTS_BUCKET": RESULTS,
            "DROPSIGHT_SOURCE_BUCKET": SOURCE,
            "DROPSIGHT_CLOCK": str(self.data / "clock"),
            "DROPSIGHT_DISPATCH_QUEUE": f"{QUEUES}/dispatch",
            "DROPSIGHT_CALLBACK_QUEUE": f"{QUEUES}/callbacks",
            "DROPSIGHT_GENERATE_URL": self._urls["generate"],
            "DROPSIGHT_NOTIFY_URL": self._urls["notify"],
            "DROPSIGHT_INVOKER": TASKS,
            "DROPSIGHT_QUEUE_ENDPOINT": self.endpoints.queue,
            "DROPSIGHT_CALLBACK_SECRET": state_folder.read_or_create(
                self.data / "callback_secret", state_folder.new_webhook_secret()
            ),
            "DROPSIGHT_MANIFEST_SOURCES": json.dumps({"": [f"gs://{INBOX}/"], "local": [f"gs://{INBOX}/"]}),
            "DROPSIGHT_INSTALLED_AT": "2020-01-01T00:00:00+00:00",
            **self.options.settings,
        }
        if self.options.gemini == "real":
            return environment
        return {
            **environment,
            "GEMINI_API_KEY": "local-stand-in",
            "GOOGLE_GEMINI_BASE_URL": self.endpoints.gemini,
        }

    async def _make_key(self, data: Path) -> None:
        """Make a key for the user of this machine, which sees the whole inbox."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import firestore

        from shared.cloud.keys import Keys, new_secret
        from shared.domain.tasks.access import SCOPES, Key

        secret = state_folder.read_or_create(data / "api_key", new_secret())
        self.endpoints = self.endpoints.model_copy(update={"api_key": secret})
        os.environ["FIRESTORE_EMULATOR_HOST"] = self.endpoints.firestore
        client = firestore.AsyncClient(project=PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
        keys = Keys(client, self.clock)
        if await keys.find(secret) is None:
            await keys.store(
                secret,
                Key(
                    id="local",
                    name="the person at this machine",
                    scopes=SCOPES,
                    sources=(f"gs://{INBOX}/", "manifests:", "manifests:local"),
                    created_at=self.clock.now(),
                    requests_per_minute=100_000,
                ),
            )

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))

    async def kill_holder_of(self, port: int) -> None:
        """Kill the function worker that owns the connection with this local port."""
        for worker in self.workers.values():
            if await asyncio.to_thread(worker.holds_port, port):
                await worker.kill()

    async def sweep(self, arguments: dict[str, object]) -> dict[str, object]:
        """Call the sweep function as Cloud Scheduler does, and return its report."""
        import httpx2

        url = self._urls["sweep"]
        headers = {"Authorization": f"Bearer {self.issuer.token(SCHEDULER, url)}"}
        async with httpx2.AsyncClient(timeout=1800) as client:
            answer = await client.post(url, json=arguments, headers=headers)
        if answer.is_error:
            raise ValueError(f"sweep answered {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json())

    def restore_grants(self) -> None:
        """Put the grants in force that Terraform makes."""
        self.storage.policy.replace(storage_policy().by_account)

    def write_endpoints(self, file: Path) -> None:
        endpoint_files.write_endpoints(file, self.endpoints)

    def is_busy(self) -> bool:
        """Return whether a function other than api has a request, or a dispatch is due."""
        busy = sum(self.front_door.in_flight(name) for name in FUNCTIONS if name != "api")
        return busy > 0 or not self.queue.idle()

    def _activity(self) -> object:
        """Return a value that changes with each call to a stand-in, and while a function with a request computes."""
        cpu = [worker.cpu_activity() for name, worker in self.workers.items() if self.front_door.in_flight(name)]
        if any(runnable for _, runnable in cpu):
            return object()
        return self.tap.ledger.total_calls, *(int(20 * used) for used, _ in cpu)
