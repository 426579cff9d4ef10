"""Serve one stand-in alone, also for the tests of other projects: `dropsight storage --port 9000`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import signal
import tempfile
from pathlib import Path

from local import event_loop, state_folder
from local.standins.database import CannotWrite
from local.standins.wire_tap import Tap
from shared.clock import MovableClock

_HOW_TO_USE = {
    "storage": "export STORAGE_EMULATOR_HOST=http://127.0.0.1:{port}",
    "firestore": "export FIRESTORE_EMULATOR_HOST=127.0.0.1:{port}",
    "gemini": "export GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:{port} GEMINI_API_KEY=any",
    "queue": "an insecure gRPC channel to 127.0.0.1:{port}",
    "pubsub": "export PUBSUB_EMULATOR_HOST=127.0.0.1:{port}",
    "metadata": "export GCE_METADATA_HOST=127.0.0.1:{port}",
}

_PACKAGES = {"queue": "cloud_tasks"}
"""Packages of stand-ins that are not named like their command."""


def main(argv: list[str]) -> int:
    name = argv[0]
    module = importlib.import_module(f"local.standins.{_PACKAGES.get(name, name)}")
    parser = argparse.ArgumentParser(prog=f"dropsight {name}", description=module.__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; 0 takes a free one (default 0)")
    parser.add_argument("--data", type=Path, help="a folder that keeps the state (default: none is kept)")
    module.add_arguments(parser)
    try:
        event_loop.run(_serve(name, module, parser.parse_args(argv[1:])))
    except (OSError, ValueError, RuntimeError, CannotWrite) as error:
        raise SystemExit(f"cannot start: {error}") from error
    return 0


async def _serve(name: str, module: object, args: argparse.Namespace) -> None:
    state_folder.set_private_umask()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    if args.data is not None:
        state_folder.make_private_folder(args.data)
        state_folder.check_folder(args.data)
    with tempfile.TemporaryDirectory(prefix="dropsight-clock-") as folder:
        clock = MovableClock((args.data or Path(folder)) / "clock")
        stand_in = module.from_arguments(args, clock=clock, data=args.data, tap=Tap())  # type: ignore[attr-defined]
        port = await stand_in.start(args.port)
        print(f"{name} answers on 127.0.0.1:{port}\n  {_HOW_TO_USE[name].format(port=port)}", flush=True)  # noqa: T201
        await stopped.wait()
        await stand_in.stop()
