"""`keys`: make, list, rotate and revoke API keys of the system that runs."""

from __future__ import annotations

import argparse
import asyncio
import os

from functions.api import keys_command
from functions.local import endpoints


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m functions.local keys", description=__doc__)
    parser.add_argument("--port-base", type=int, default=8080, help="of the system that runs (default 8080)")
    keys_command.add_arguments(parser)
    return asyncio.run(_run(parser.parse_args(argv)))


async def _run(args: argparse.Namespace) -> int:
    os.environ["FIRESTORE_EMULATOR_HOST"] = endpoints.read(args.port_base).firestore
    from google.cloud import firestore

    from shared.clock import Clock
    from shared.cloud.keys import Keys

    clock = Clock()
    client = firestore.AsyncClient(project=endpoints.PROJECT)
    return await keys_command.run(args, Keys(client, clock), clock)
