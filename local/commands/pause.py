"""Stop working on tasks, of the whole system or of one inbox. New tasks are taken, and wait."""

from __future__ import annotations

import argparse
from typing import Literal

from local import target
from local.client import Client
from local.commands.status import print_status


def main(argv: list[str]) -> int:
    return pause_or_resume("pause", __doc__, argv)


def pause_or_resume(command: Literal["pause", "resume"], description: str | None, argv: list[str]) -> int:
    """Pause or resume, as `command` says, and print the status that follows."""
    parser = argparse.ArgumentParser(prog=f"dropsight {command}", description=description)
    parser.add_argument("--inbox", metavar="BUCKET", help="only this inbox (default: the whole system)")
    parser.add_argument("--json", action="store_true", help="print the status as the API returns it")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        print_status(client.pause_or_resume(command, args.inbox), as_json=args.json)
    return 0
