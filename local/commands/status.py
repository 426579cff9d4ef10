"""Show what is paused, which models are not asked for now, and what was spent today."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import cast

from rich.markup import escape

from local import screen, target
from local.client import Client, Json


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print what the API returns")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        print_status(client.get_status(), as_json=args.json)
    return 0


def print_status(status: Json, *, as_json: bool) -> None:
    if as_json:
        screen.print_json(status)
        return
    for line in describe_status(status):
        screen.print_line(line)


def describe_status(status: Json) -> list[str]:
    """Return the status as lines for people, with rich's markup."""
    budget = cast(dict[str, str], status["budget"])
    lines = [f"{status['open_tasks']} open tasks; {budget['spent_today']} of {budget['daily_budget']} US dollars today"]
    lines += [
        f"[yellow]paused[/yellow]: {escape(str(entry['what']))} since {_time(entry['since'])}, by {entry['by']}"
        for entry in cast(list[Json], status["paused"])
    ]
    lines += [
        f"[red]failing[/red]: {entry['model']} since {_time(entry['opened_at'])}: {escape(str(entry['detail']))}"
        for entry in cast(list[Json], status["breakers"])
    ]
    lines += [
        f"[yellow]{entry['reason']}[/yellow]: {entry['model']} until {_time(entry['until'])}: "
        f"{escape(str(entry['detail']))}"
        for entry in cast(list[Json], status["throttled"])
    ]
    return lines


def _time(seconds: object) -> str:
    return datetime.fromtimestamp(float(str(seconds))).astimezone().isoformat(timespec="seconds")
