"""Cloud Tasks on one machine: `google.cloud.tasks.v2` over gRPC, dispatching over HTTP.

The real clients use it through an insecure channel:
`CloudTasksAsyncClient(transport=CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel("127.0.0.1:PORT")))`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc.aio

from local.standins.cloud_tasks.delivery import Courier, Sign
from local.standins.cloud_tasks.dispatcher import Dispatcher
from local.standins.cloud_tasks.queues import QueueRegistry
from local.standins.cloud_tasks.rules import Pb, check_queue_name
from local.standins.cloud_tasks.service import CloudTasksService
from local.standins.cloud_tasks.spec import QueueSpec
from local.standins.cloud_tasks.store import Store
from local.standins.deadlines import Deadlines
from local.standins.grpc_refusals import Refusal
from local.standins.oidc import Issuer
from local.standins.wire_tap import Tap
from shared.clock import Clock

_HOUR = 3600.0


class QueueStandIn:
    """The queue service. `sign(email, audience)` makes the ID tokens that dispatches carry: `Issuer.token`."""

    def __init__(
        self,
        *,
        clock: Clock,
        data: Path | None,
        tap: Tap,
        sign: Sign,
        queues: Sequence[QueueSpec] = (),
        tombstone: float = _HOUR,
        duplicates: int = 0,
        held: bool = False,
    ) -> None:
        """`tombstone`: seconds that a used name stays blocked; `duplicates`: how often a first attempt is repeated;
        `held`: nothing leaves before `release`."""
        self._held = held
        self._clock, self._data, self._tap, self._specs = clock, data, tap, queues
        self._tombstone, self._duplicates = tombstone, duplicates
        self._deadlines = Deadlines(clock)
        self._courier = Courier(clock=clock, deadlines=self._deadlines, tap=tap, sign=sign)
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        self._store = Store(self._data)
        self._registry = QueueRegistry(self._clock, self._store, self._dispatcher, held=self._held)
        self._registry.load(self._specs)
        self._server = grpc.aio.server(interceptors=[self._tap.grpc("queue")], options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((CloudTasksService(self._registry).handler(),))
        bound: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(None)
            await self._registry.close()
            self._store.close()
            self._server = None

    def release(self) -> None:
        """Start dispatching, if the stand-in was created with `held`."""
        self._held = False
        self._registry.release()

    def repoint(self, urls: Mapping[str, str]) -> int:
        """Redirect waiting tasks of these queues that target this machine. Return how many changed.

        `urls` maps a queue's name to a base URL such as `http://127.0.0.1:9000`. Paths stay; ID tokens get the new
        audience.
        """
        return sum(self._registry.queue(name).repoint(url) for name, url in urls.items())

    def duplicate(self, times: int) -> None:
        """Repeat each first attempt this many times from now on (0: deliver once, as usual)."""
        self._duplicates = times
        for dispatcher in self._registry.queues.values():
            dispatcher.duplicates = times

    def next_due(self) -> float | None:
        """Return the clock time of the earliest waiting dispatch, or None; paused queues do not count."""
        moments = [due for dispatcher in self._registry.queues.values() if (due := dispatcher.next_due()) is not None]
        return min(moments, default=None)

    def in_flight(self) -> int:
        return sum(dispatcher.running for dispatcher in self._registry.queues.values())

    def idle(self) -> bool:
        """Return whether no attempt is in progress and no waiting dispatch is due."""
        due = self.next_due()
        return self.in_flight() == 0 and (due is None or due > self._clock.time())

    def lose(self, match: str = "") -> int:
        """Drop the waiting dispatches whose name or URL contains `match`. Return how many. Their names stay blocked."""
        lost = 0
        for dispatcher in self._registry.queues.values():
            for entry in dispatcher.waiting():
                if match in entry.name or match in entry.task.http_request.url:
                    dispatcher.remove(entry)
                    lost += 1
        return lost

    def _dispatcher(self, queue: Pb) -> Dispatcher:
        return Dispatcher(
            queue,
            clock=self._clock,
            deadlines=self._deadlines,
            store=self._store,
            courier=self._courier,
            tombstone_seconds=self._tombstone,
            duplicates=self._duplicates,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = QueueSpec("")
    parser.add_argument(
        "--queue",
        action="append",
        default=[],
        type=_queue_name,
        metavar="NAME",
        help="projects/P/locations/L/queues/Q; may be repeated",
    )
    parser.add_argument("--rate", type=float, default=default.max_dispatches_per_second, help="dispatches per second")
    parser.add_argument("--concurrent", type=int, default=default.max_concurrent_dispatches, help="dispatches at once")
    parser.add_argument("--max-attempts", type=int, default=default.max_attempts, help="-1: unlimited")
    parser.add_argument("--min-backoff", type=float, default=default.min_backoff, help="seconds")
    parser.add_argument("--max-backoff", type=float, default=default.max_backoff, help="seconds")
    parser.add_argument("--max-doublings", type=int, default=default.max_doublings)
    parser.add_argument(
        "--duplicates", type=int, default=0, help="deliver each dispatch this many times more than once"
    )


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> QueueStandIn:
    queues = [
        QueueSpec(
            name,
            max_dispatches_per_second=args.rate,
            max_concurrent_dispatches=args.concurrent,
            max_attempts=args.max_attempts,
            min_backoff=args.min_backoff,
            max_backoff=args.max_backoff,
            max_doublings=args.max_doublings,
        )
        for name in args.queue
    ]
    sign = Issuer(clock, data).token
    return QueueStandIn(clock=clock, data=data, tap=tap, sign=sign, queues=queues, duplicates=args.duplicates)


def _queue_name(text: str) -> str:
    try:
        check_queue_name(text)
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(refusal.message) from refusal
    return text
