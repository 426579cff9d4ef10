"""The stand-in for Cloud Storage: assembles its parts and offers tests control over events."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from local.standins.serve import HttpServer
from local.standins.storage.buckets import Buckets
from local.standins.storage.catalog import Catalog, EventType
from local.standins.storage.content import Contents, set_aside
from local.standins.storage.downloads import Downloads
from local.standins.storage.errors import ApiError, error_body
from local.standins.storage.events import Events, Headers, Subscription
from local.standins.storage.iam import Policy, door
from local.standins.storage.objects import Objects
from local.standins.storage.resumable import Resumables
from local.standins.storage.router import Router
from local.standins.storage.routes import add_routes
from local.standins.storage.store import Store
from local.standins.storage.uploads import Uploads
from local.standins.storage.xml_api import XmlApi
from local.standins.storage.xml_objects import XmlObjects
from local.standins.wire_tap import Tap
from shared.clock import Clock


class StorageStandIn:
    """Cloud Storage on 127.0.0.1, for clients with `STORAGE_EMULATOR_HOST=http://127.0.0.1:PORT`.

    `data`: the folder that keeps buckets, objects, upload sessions and undelivered events (None: a temporary one).
    `buckets`: created at the start if they do not exist. `event_retention`: seconds after which an event that nobody
    took is dropped. `delivery_timeout`: seconds that a destination has to answer. `policy`: what the accounts may do
    that call at their own doors; `doors`: accounts and ports to open at the start (see `start_door`).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        data: Path | None,
        tap: Tap,
        buckets: Sequence[str] = (),
        event_retention: float = 86_400.0,
        delivery_timeout: float = 600.0,
        policy: Policy | None = None,
        doors: Mapping[str, int] | None = None,
    ) -> None:
        self._temporary = Path(tempfile.mkdtemp(prefix="storage-")) if data is None else None
        folder = data if data is not None else self._temporary
        assert folder is not None
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "storage.sqlite").exists():
            set_aside(folder / "contents")
        # What ends with the process needs no file: to write one takes a tenth of the stand-ins' time.
        self._store = Store(folder / "storage.sqlite" if data is not None else None)
        self._contents = Contents(folder / "contents")
        self._contents.keep_only(self._store.contents_in_use())
        self._events = Events(clock, self._store, event_retention, delivery_timeout)
        catalog = Catalog(clock, self._store, self._contents, self._events.publish)
        handlers = Buckets(catalog)
        for name in buckets:
            if self._store.bucket(name) is None:
                handlers.create({"name": name})
        router = Router(tap.ledger)
        resumables = Resumables(catalog)
        downloads = self._downloads = Downloads(catalog)
        objects, uploads = Objects(catalog, downloads), Uploads(catalog, resumables)
        xml = XmlApi(catalog, XmlObjects(catalog, downloads, uploads, resumables))
        add_routes(router, catalog, handlers, objects, uploads, resumables, xml)
        self.policy = policy or Policy({})
        self._app, self._tap = router, tap
        self._server = HttpServer(tap.http("storage", router, error_body))
        self._doors: list[HttpServer] = []
        self._doors_at_start = dict(doors or {})

    async def start(self, port: int = 0) -> int:
        port = await self._server.start(port)
        self._events.base = f"http://127.0.0.1:{port}"
        await self._events.start()
        for account, door_port in self._doors_at_start.items():
            await self.start_door(account, door_port)
        return port

    async def start_door(self, account: str, port: int = 0) -> int:
        """Serve the account's calls, within its grants, on a port of its own. Return the port."""
        server = HttpServer(self._tap.http("storage", door(self.policy, account, self._app), error_body))
        self._doors.append(server)
        return await server.start(port)

    async def stop(self) -> None:
        await self._events.stop()
        for server in self._doors:
            await server.stop()
        await self._server.stop()
        self._contents.close()
        self._store.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def subscribe(
        self,
        bucket: str | None,
        types: Collection[EventType],
        url: str,
        headers: Headers | None = None,
        *,
        name: str | None = None,
        concurrency: int = 16,
    ) -> None:
        """Send events of `bucket` (None: of all) and these types to `url`, with `headers()` added to each request.

        `name` identifies the destination of undelivered events after a restart (default: bucket and URL).
        """
        label = name if name is not None else f"{bucket or '*'} {url}"
        self._events.subscribe(Subscription(bucket, frozenset(types), url, headers, label, concurrency))

    def replay(self, times: int = 1) -> int:
        """Deliver every finalize event of the run again, `times` times. Return the number of deliveries."""
        return self._events.replay(times)

    def set_events(
        self,
        copies: int | None = None,
        delay_seconds: float | None = None,
        hold: bool | None = None,
        unordered: bool | None = None,
    ) -> None:
        """Set how often, how late and in which order events are delivered, and whether they wait (`hold` loses
        none).
        """
        self._events.configure(copies, delay_seconds, hold, unordered)

    def lose_held(self) -> int:
        """Drop the held deliveries. Return how many."""
        return self._events.lose_held()

    def limit_downloads(self, mib_s: float | None) -> None:
        """Send each download at this rate, in MiB a second; None: as fast as it is read."""
        self._downloads.link_mib_s = mib_s

    def pending(self) -> int:
        """Return the number of outstanding deliveries, including held ones."""
        return self._events.pending()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bucket", action="append", default=[], metavar="NAME", help="create this bucket (repeatable)")
    parser.add_argument(
        "--event",
        action="append",
        default=[],
        metavar="BUCKET=URL",
        help="POST the bucket's finalize events to URL as CloudEvents; * for every bucket (repeatable)",
    )
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help='grants, as {"ACCOUNT": [{"bucket", "role", "under", "lists"}]}; each --door is held to its account\'s',
    )
    parser.add_argument(
        "--door",
        action="append",
        default=[],
        metavar="ACCOUNT=PORT",
        help="a port for the calls of an account of --policy",
    )


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> StorageStandIn:
    try:
        policy = Policy.read(args.policy) if args.policy else None
        doors = {account: int(port) for account, _, port in (item.partition("=") for item in args.door)}
        stand_in = StorageStandIn(clock=clock, data=data, tap=tap, buckets=args.bucket, policy=policy, doors=doors)
    except ApiError as error:
        raise SystemExit(f"--bucket: {error.message}") from error
    for item in args.event:
        bucket, equals, url = item.partition("=")
        if not equals or not url.startswith(("http://", "https://")):
            raise SystemExit(f"--event {item}: BUCKET=URL is expected")
        stand_in.subscribe(None if bucket == "*" else bucket, {"finalized"}, url)
    return stand_in
