"""`demo`: start everything, drop files, show each task's way to its result, stop.

Exit status 0 only when every task completed.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from rich.live import Live
from rich.table import Table

from local import screen
from local.client import Client
from local.commands.drop import pair
from local.commands.up import add_system_arguments, settings_of
from local.demo_examples import Drop, plan
from local.target import Target
from local.workers import Report

_ENDED = ("completed", "failed")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight demo", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: samples of the project")
    parser.add_argument("--recipe", help="ask by this recipe instead of the media family's default")
    parser.add_argument("--meta", action="append", default=[], metavar="K=V", help="custom metadata; may be repeated")
    parser.add_argument("--timeout", type=float, default=300, help="seconds until the demo gives up (default 300)")
    parser.add_argument("--json", action="store_true", help="the tasks as JSON, nothing else")
    add_system_arguments(parser)
    parser.set_defaults(port_base=0)
    args = parser.parse_args(argv)
    if missing := [str(file) for file in args.files if not file.is_file()]:
        raise SystemExit(f"no such file: {', '.join(missing)}")
    try:
        drops = plan(args.recipe, args.files, dict(pair(word) for word in args.meta))
    except ValueError as error:
        raise SystemExit(f"--recipe: {error}") from error
    return asyncio.run(_run(args, drops))


async def _run(args: argparse.Namespace, drops: list[Drop]) -> int:
    from local.system import LocalSystem, Options

    options = Options(port_base=args.port_base, data=args.data, gemini=args.gemini, settings=settings_of(args))
    began = time.monotonic()
    report: Report = (lambda _function, _record: None) if args.json else _warnings
    async with LocalSystem(options, report, screen.progress) as system:
        if not args.json:
            found = system.endpoints
            screen.say(f"[bold]Dropsight is up[/bold] after {time.monotonic() - began:.1f} s: {found.api}\n")
        with Client(Target.local(system.endpoints)) as client:
            tasks = await asyncio.to_thread(_drop_and_watch, client, drops, args)
    completed = sum(task["status"] == "completed" for task in tasks)
    if args.json:
        screen.as_json(tasks)
    else:
        if args.recipe:
            for task in tasks:
                screen.say(screen.plain(f"{_name(task)}: {_published(task)}"))
        model = "the stand-in model" if args.gemini == "stand-in" else "Gemini"
        screen.say(f"\n{completed} of {len(drops)} files understood by {model} in {time.monotonic() - began:.1f} s.")
    return 0 if completed == len(drops) else 1


def _drop_and_watch(client: Client, drops: list[Drop], args: argparse.Namespace) -> list[dict[str, object]]:
    uris = [client.drop(drop.file, drop.file.name, drop.metadata) for drop in drops]
    tasks = [client.task_of(uri) for uri in uris]
    deadline = time.monotonic() + args.timeout
    watch = _Silent() if args.json else _Screen() if screen.console.is_terminal else _Lines()
    with watch:
        while True:
            tasks = [task if _done(task) else client.task(str(task["id"])) for task in tasks]
            watch.show(tasks)
            if all(_done(task) for task in tasks) or time.monotonic() > deadline:
                return tasks
            time.sleep(0.1)


def _done(task: dict[str, object]) -> bool:
    """Ended and published."""
    return task["status"] in _ENDED and bool(task.get("outputs"))


def _published(task: dict[str, object]) -> str:
    """The files of a task, by their endings."""
    outputs = task.get("outputs")
    name = f"/{_name(task)}"
    uris = [str(uri) for uri in outputs] if isinstance(outputs, list) else []
    return " ".join(uri.rpartition(name)[2] for uri in uris if not uri.endswith(".task.json")) or "nothing published"


class _Silent:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, tasks: list[dict[str, object]]) -> None: ...


class _Lines(_Silent):
    """Plain lines: one for each change of a task."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def show(self, tasks: list[dict[str, object]]) -> None:
        for task in tasks:
            state = str(task["status"])
            if self._said.get(str(task["id"])) != state:
                self._said[str(task["id"])] = state
                line = f"{task['id']}  {state:<10}  {_name(task)}"
                said = screen.short(screen.answer(task))
                screen.say(screen.plain(f"{line}  {said}" if said else line))


class _Screen(_Silent):
    """A table that changes in place."""

    def __init__(self) -> None:
        self._live = Live(console=screen.console, refresh_per_second=10)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tasks: list[dict[str, object]]) -> None:
        grid = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("task", "file", "status", "%", "answer"):
            grid.add_column(heading, overflow="ellipsis", no_wrap=True, justify="right" if heading == "%" else "left")
        for task in tasks:
            said = screen.plain(screen.answer(task))
            grid.add_row(str(task["id"]), screen.plain(_name(task)), screen.status(task), str(task["progress"]), said)
        self._live.update(grid)


def _name(task: dict[str, object]) -> str:
    return str(task.get("source") or "").rsplit("/", 1)[-1]


def _warnings(function: str, record: dict[str, object]) -> None:
    if record.get("severity") in ("ERROR", "CRITICAL", "DEFAULT"):
        screen.complain(f"{function}: {record.get('message')}")
