"""List tasks, newest first."""

from __future__ import annotations

import argparse

from local import screen, target
from local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight tasks", description=__doc__)
    parser.add_argument("--limit", type=int, default=20, help="how many at most (default 20)")
    parser.add_argument(
        "--status",
        choices=("pending", "processing", "completed", "failed"),
        help="only tasks with this status",
    )
    parser.add_argument("--object", metavar="gs://BUCKET/NAME", help="only the tasks of this object")
    parser.add_argument("--json", action="store_true", help="print the tasks as the API returns them")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        tasks = client.list_tasks(limit=args.limit, status=args.status, object=args.object)
    if args.json:
        screen.print_json(tasks)
    elif tasks:
        screen.print_tasks(tasks)
    else:
        screen.print_line("No tasks yet. Drop a file: dropsight drop FILE")
    return 0
