"""The Gemini Developer API on one machine: the real clients, the real wire protocol, a model that is a stand-in."""

from __future__ import annotations

import argparse
from pathlib import Path

from local.standins.gemini.app import GeminiStandIn
from local.standins.gemini.behaviour import Behaviour
from local.standins.wire_tap import Tap
from shared.clock import Clock

__all__ = ["Behaviour", "GeminiStandIn", "add_arguments", "from_arguments"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the stand-in started alone; those of the behaviour can also be set while it runs."""
    parser.add_argument("--latency", metavar="DURATION", help="how long an answer takes, such as 500ms (default: 0)")
    parser.add_argument("--processing", metavar="DURATION", help="how long an uploaded file is PROCESSING")
    parser.add_argument("--link-mib-s", metavar="N", help="how fast an upload is read, in MiB a second")
    parser.add_argument(
        "--invalid-key", metavar="KEY", action="append", default=[], help="an API key to refuse (may be repeated)"
    )


def from_arguments(args: argparse.Namespace, *, clock: Clock, data: Path | None, tap: Tap) -> GeminiStandIn:
    values = {name: getattr(args, name, None) for name in ("latency", "processing", "link_mib_s")}
    behaviour = Behaviour.model_validate({name: value for name, value in values.items() if value is not None})
    keys = frozenset(getattr(args, "invalid_key", []))
    return GeminiStandIn(clock=clock, data=data, tap=tap, behaviour=behaviour, invalid_keys=keys)
