"""Show one task with its whole answer."""

from __future__ import annotations

import argparse

from rich.markup import escape

from local import screen, target
from local.client import Client

_FIELDS = ("id", "source", "model", "recipe", "progress", "usage", "warnings", "outputs", "waiting")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight show", description=__doc__)
    parser.add_argument("id", help="task-llm-…")
    parser.add_argument("--json", action="store_true", help="print the task as the API returns it")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        task = client.get_task(args.id)
    if args.json:
        screen.print_json(task)
        return 0
    for name in _FIELDS:
        for line in _format_field(task.get(name)):
            screen.print_line(f"[bold]{name:<10}[/bold]{escape(line)}")
    screen.print_line(f"[bold]{'status':<10}[/bold]{screen.format_status(task)}\n")
    screen.print_plain(_whole_answer(task))
    return 0


def _format_field(value: object) -> list[str]:
    """Return a line for each entry of a list, one line for any other value, and none for None."""
    match value:
        case None:
            return []
        case list():
            return [str(entry) for entry in value]
        case dict():
            return [", ".join(f"{name} {entry}" for name, entry in value.items() if not isinstance(entry, dict))]
        case _:
            return [str(value)]


def _whole_answer(task: dict[str, object]) -> str:
    results = task.get("results")
    if isinstance(results, list) and results:
        return str(results[0]["choices"][0]["message"]["content"])
    return screen.summarise_answer(task)
