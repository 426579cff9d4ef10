"""`keys`: make, list, rotate and revoke API keys of the local system, or with --project of a deployed one.

A deployed system's keys are written with Google's default credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import os

from functions.api import keys_command
from local import endpoints, target


def main(argv: list[str]) -> int:
    place = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    place.add_argument("--port-base", type=int, help="of the local system that runs (default 8080)")
    place.add_argument("--project", help="of a deployed system")
    place.add_argument("--database", default="(default)", help="with --project: its Firestore database")
    parser = argparse.ArgumentParser(prog="dropsight keys", description=__doc__, parents=[place])
    keys_command.add_arguments(parser)
    # Taken before or behind the action's word, as every other command takes it.
    where, words = place.parse_known_args(argv)
    return asyncio.run(_run(parser.parse_args(words), where))


async def _run(args: argparse.Namespace, where: argparse.Namespace) -> int:
    if where.project is None:
        local = target.local_only(where.port_base, "name its --project and --database")
        os.environ["FIRESTORE_EMULATOR_HOST"] = local.firestore
    from google.cloud import firestore

    from shared.clock import Clock
    from shared.cloud.keys import Keys

    clock = Clock()
    client = firestore.AsyncClient(project=where.project or endpoints.PROJECT, database=where.database)
    return await keys_command.run(args, Keys(client, clock), clock)
