"""Watch a system: tasks by state, throughput, what tasks wait for, money today against the budget, last failures."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import cast

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from local import screen, target
from local.client import Client, Json
from local.commands.status import describe_status

_TASKS_SHOWN = 100
_FAILURES_SHOWN = 5
_STATES = ("pending", "processing", "completed", "failed")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight top", description=__doc__)
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often to look (default 2)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--json", action="store_true", help="look once, and print it as JSON")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        if args.json:
            screen.print_json(read_state(client))
        elif args.once or not screen.console.is_terminal:
            screen.console.print(render(read_state(client)))
        else:
            _watch(client, max(0.5, args.every))
    return 0


def _watch(client: Client, every: float) -> None:
    with Live(render(read_state(client)), console=screen.console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            live.update(render(read_state(client)), refresh=True)


def read_state(client: Client) -> Json:
    """Return what the screen shows, from the newest tasks, today's usage and the status."""
    tasks = client.list_tasks(limit=_TASKS_SHOWN)
    status = client.get_status()
    today = client.get_usage(group_by="day")
    return {
        "states": dict(Counter(str(task["status"]) for task in tasks)),
        "waiting": dict(Counter(_reason(task) for task in tasks if isinstance(task.get("waiting"), dict))),
        "ended_last_minute": _ended_since(tasks, 60),
        "ended_last_hour": _ended_since(tasks, 3600),
        "newest_tasks": len(tasks),
        "status": status,
        "usage": cast(list[Json], today["data"])[-1:],
        "failures": [
            {"id": task["id"], "source": task.get("source"), "error": task["error"]}
            for task in tasks
            if task["status"] == "failed"
        ][:_FAILURES_SHOWN],
    }


def render(state: Json) -> Group:
    states, waiting = cast(dict[str, int], state["states"]), cast(dict[str, int], state["waiting"])
    numbers = Table(box=None, pad_edge=False, header_style="bold")
    for name in (*_STATES, "ended in a minute", "in an hour"):
        numbers.add_column(name, justify="right")
    ended = [str(state["ended_last_minute"]), str(state["ended_last_hour"])]
    numbers.add_row(*(str(states.get(name, 0)) for name in _STATES), *ended)
    lines = [Text.from_markup(line) for line in describe_status(cast(Json, state["status"]))]
    if waiting:
        lines.append(Text("waiting: " + ", ".join(f"{count} {reason}" for reason, count in sorted(waiting.items()))))
    for day in cast(list[Json], state["usage"]):
        tokens = cast(int, day["prompt_tokens"]) + cast(int, day["answer_tokens"]) + cast(int, day["thinking_tokens"])
        lines.append(Text(f"{day['day']}: {day['tasks']} tasks, {day['calls']} calls, {tokens:,} tokens"))
    failures = screen.make_table("last failures", "code", flexible=("source", "message"))
    for failure in cast(list[Json], state["failures"]):
        error = cast(dict[str, str], failure["error"])
        source = escape(str(failure["source"] or "–"))
        failures.add_row(str(failure["id"]), error["code"], source, escape(error["message"]))
    title = Text(f"Dropsight: the newest {state['newest_tasks']} tasks", style="bold")
    return Group(title, numbers, Text(), *lines, Text(), failures)


def _reason(task: Json) -> str:
    return str(cast(Json, task["waiting"])["reason"])


def _ended_since(tasks: list[Json], seconds: float) -> int:
    """Return how many of the tasks ended within so many seconds, by the clock of the newest."""
    moments = [cast(int, task["completed_at"]) for task in tasks if isinstance(task.get("completed_at"), int)]
    now = max([time.time(), *moments])
    return sum(moment > now - seconds for moment in moments)
