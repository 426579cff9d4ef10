"""Pub/Sub on one machine: `google.pubsub.v1` over gRPC, pushing over HTTP.

Clients use it with `PUBSUB_EMULATOR_HOST=127.0.0.1:PORT`. Messages live as long as the process.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import grpc.aio

from local.standins.grpc_refusals import Refusal
from local.standins.oidc import Issuer
from local.standins.pubsub.publisher import TopicPb
from local.standins.pubsub.push import Sign
from local.standins.pubsub.rules import check_name
from local.standins.pubsub.service import PubSubService
from local.standins.wire_tap import Tap
from shared.clock import Clock

_LONGEST_MESSAGE = 16 << 20
"""Bytes of a gRPC message: more than a publish request may have, so that the service's own limit is what refuses."""


class PubSubStandIn:
    """`sign(email, audience)` makes the ID tokens of push requests; `topics` exist from the start."""

    def __init__(self, *, clock: Clock, tap: Tap, sign: Sign, topics: Sequence[str] = ()) -> None:
        self.service = PubSubService(clock, sign)
        self.service.resources.topics.update({name: TopicPb(name=name) for name in topics})
        self._tap = tap
        self._server: grpc.aio.Server | None = None

    async def start(self, port: int = 0) -> int:
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _LONGEST_MESSAGE)]
        self._server = grpc.aio.server(interceptors=[self._tap.grpc("pubsub")], options=options)
        self._server.add_generic_rpc_handlers(self.service.handlers())
        bound: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        await self._server.start()
        return bound

    async def stop(self) -> None:
        if self._server is not None:
            await self.service.close()
            await self._server.stop(None)
            self._server = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        type=_topic_name,
        metavar="NAME",
        help="projects/P/topics/T, there from the start; may be repeated",
    )


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> PubSubStandIn:
    return PubSubStandIn(clock=clock, tap=tap, sign=Issuer(clock, data).token, topics=args.topic)


def _topic_name(text: str) -> str:
    try:
        check_name(text, "topics")
    except Refusal as refusal:
        raise argparse.ArgumentTypeError(refusal.message) from refusal
    return text
