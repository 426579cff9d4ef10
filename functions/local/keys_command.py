"""`keys`: make, list, rotate and revoke API keys of the system that runs."""

from __future__ import annotations

import argparse
import asyncio
import os

from functions.api import keys_command
from functions.local import endpoints


def main(argv: list[str]) -> int:
    place = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    place.add_argument("--port-base", type=int, default=8080, help="of the system that runs (default 8080)")
    parser = argparse.ArgumentParser(prog="python -m functions.local keys", description=__doc__, parents=[place])
    keys_command.add_arguments(parser)
    # Taken before or behind the action's word, as every other command takes it.
    where, words = place.parse_known_args(argv)
    return asyncio.run(_run(parser.parse_args(words), where.port_base))


async def _run(args: argparse.Namespace, port_base: int) -> int:
    os.environ["FIRESTORE_EMULATOR_HOST"] = endpoints.read(port_base).firestore
    from google.cloud import firestore

    from shared.clock import Clock
    from shared.cloud.keys import Keys

    clock = Clock()
    client = firestore.AsyncClient(project=endpoints.PROJECT)
    return await keys_command.run(args, Keys(client, clock), clock)
