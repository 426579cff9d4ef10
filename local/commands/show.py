"""`show`: one task, with its whole answer."""

from __future__ import annotations

import argparse

from local import screen, target
from local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight show", description=__doc__)
    parser.add_argument("id", help="task-llm-…")
    parser.add_argument("--json", action="store_true")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.chosen(args)) as client:
        task = client.task(args.id)
    if args.json:
        screen.as_json(task)
        return 0
    for name in ("id", "source", "model", "recipe", "progress", "usage", "warnings", "outputs", "waiting"):
        for line in _lines(task.get(name)):
            screen.say(f"[bold]{name:<10}[/bold]{screen.plain(line)}")
    screen.say(f"[bold]{'status':<10}[/bold]{screen.status(task)}\n")
    screen.say(screen.plain(_whole(task)))
    return 0


def _lines(value: object) -> list[str]:
    """One for each entry of a list, one for everything else, none where there is nothing."""
    match value:
        case None:
            return []
        case list():
            return [str(each) for each in value]
        case dict():
            return [", ".join(f"{name} {each}" for name, each in value.items() if not isinstance(each, dict))]
        case _:
            return [str(value)]


def _whole(task: dict[str, object]) -> str:
    results = task.get("results")
    if isinstance(results, list) and results:
        return str(results[0]["choices"][0]["message"]["content"])
    return screen.answer(task)
