"""`tasks`: the tasks of the system that runs, newest first."""

from __future__ import annotations

import argparse

from local import screen, target
from local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight tasks", description=__doc__)
    parser.add_argument("--limit", type=int, default=20, help="at most so many (default 20)")
    parser.add_argument("--status", choices=("pending", "processing", "completed", "failed"))
    parser.add_argument("--object", metavar="URI", help="gs://bucket/name: the tasks of one object")
    parser.add_argument("--json", action="store_true")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.chosen(args)) as client:
        tasks = client.tasks(limit=args.limit, status=args.status, object=args.object)
    if args.json:
        screen.as_json(tasks)
    elif tasks:
        screen.table(tasks)
    else:
        screen.say("No tasks yet. Drop a file: dropsight drop FILE")
    return 0
