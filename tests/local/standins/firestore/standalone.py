"""A stand-in in a process of its own, as the tests' clients see it: it prints its port once it answers."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from local.standins.firestore import add_arguments, from_arguments
from local.standins.wire_tap import Tap
from shared.clock import Clock


async def serve(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--clock", type=Path)
    add_arguments(parser)
    args = parser.parse_args(arguments)
    stand_in = from_arguments(args, clock=Clock(args.clock), data=args.data, tap=Tap())
    sys.stdout.write(f"{await stand_in.start(args.port)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
