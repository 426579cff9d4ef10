"""`tasks`: the tasks of the system that runs, newest first."""

from __future__ import annotations

import argparse

from functions.local import endpoints, screen
from functions.local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m functions.local tasks", description=__doc__)
    parser.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
    parser.add_argument("--status", choices=("pending", "processing", "completed", "failed"))
    parser.add_argument("--object", metavar="URI", help="gs://bucket/name: the tasks of one object")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--port-base", type=int, default=8080, help="of the system that runs (default 8080)")
    args = parser.parse_args(argv)
    with Client(endpoints.read(args.port_base)) as client:
        tasks = client.tasks(limit=args.limit, status=args.status, object=args.object)
    if args.json:
        screen.as_json(tasks)
    elif tasks:
        screen.table(tasks)
    else:
        screen.say("No tasks yet. Drop a file: python -m functions.local drop FILE")
    return 0
