"""Start everything, drop files, show each task's way to its result, and stop.

Exit status: 0 only if every task completed.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from rich.live import Live
from rich.markup import escape

from local import event_loop, screen
from local.client import Client
from local.commands.drop import parse_metadata
from local.commands.up import add_system_arguments, parse_settings
from local.demo_examples import Drop, plan_drops
from local.target import Target
from local.workers import Report


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: samples of the project")
    parser.add_argument("--recipe", help="the recipe to use (default: each media type's own)")
    parser.add_argument("--meta", action="append", default=[], metavar="K=V", help="custom metadata; may be repeated")
    parser.add_argument("--timeout", type=float, default=300, help="seconds until the demo gives up (default 300)")
    parser.add_argument("--json", action="store_true", help="print the tasks as JSON, and nothing else")
    add_system_arguments(parser, port_base=0)
    args = parser.parse_args(argv)
    if missing := [str(file) for file in args.files if not file.is_file()]:
        raise SystemExit(f"no such file: {', '.join(missing)}")
    try:
        drops = plan_drops(args.recipe, args.files, parse_metadata(args.meta))
    except ValueError as error:
        raise SystemExit(f"--recipe: {error}") from error
    return event_loop.run(_run(args, drops))


async def _run(args: argparse.Namespace, drops: list[Drop]) -> int:
    from local.system import LocalSystem, Options

    options = Options(port_base=args.port_base, data=args.data, gemini=args.gemini, settings=parse_settings(args))
    began = time.monotonic()
    report: Report = (lambda _function, _record: None) if args.json else _report_problem
    async with LocalSystem(options, report, screen.print_progress) as system:
        if not args.json:
            took = time.monotonic() - began
            screen.print_line(f"[bold]Dropsight is up[/bold] after {took:.1f} s: {system.endpoints.api}\n")
        with Client(Target.of_local_system(system.endpoints)) as client:
            tasks = await asyncio.to_thread(_drop_and_watch, client, drops, args)
    completed = sum(task["status"] == "completed" for task in tasks)
    if args.json:
        screen.print_json(tasks)
    else:
        if args.recipe:
            for task in tasks:
                screen.print_plain(f"{_file_name(task)}: {_published_endings(task)}")
        model = "the stand-in model" if args.gemini == "stand-in" else "Gemini"
        took = time.monotonic() - began
        screen.print_line(f"\n{completed} of {len(drops)} files understood by {model} in {took:.1f} s.")
        if args.gemini == "stand-in":
            screen.print_progress("To ask the real model: GEMINI_API_KEY=… .venv/bin/dropsight demo --gemini real FILE")
    return 0 if completed == len(drops) else 1


def _drop_and_watch(client: Client, drops: list[Drop], args: argparse.Namespace) -> list[dict[str, object]]:
    uris = [client.drop_file(drop.file, drop.file.name, drop.metadata) for drop in drops]
    tasks = [client.wait_for_task_of(uri) for uri in uris]
    deadline = time.monotonic() + args.timeout
    view = _NoView() if args.json else _TableView() if screen.console.is_terminal else _LineView()
    with view:
        while True:
            tasks = [task if _is_published(task) else client.get_task(str(task["id"])) for task in tasks]
            view.show(tasks)
            if all(_is_published(task) for task in tasks) or time.monotonic() > deadline:
                return tasks
            time.sleep(0.1)


def _is_published(task: dict[str, object]) -> bool:
    """Whether the task has ended and its files are in the results bucket."""
    return task["status"] in ("completed", "failed") and bool(task.get("outputs"))


def _published_endings(task: dict[str, object]) -> str:
    outputs = task.get("outputs")
    name = f"/{_file_name(task)}"
    uris = [str(uri) for uri in outputs] if isinstance(outputs, list) else []
    return " ".join(uri.rpartition(name)[2] for uri in uris if not uri.endswith(".task.json")) or "nothing published"


class _NoView:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, tasks: list[dict[str, object]]) -> None: ...


class _LineView(_NoView):
    """Prints a plain line for each change of a task's status."""

    def __init__(self) -> None:
        self._last_status: dict[str, str] = {}

    def show(self, tasks: list[dict[str, object]]) -> None:
        for task in tasks:
            task_id, status = str(task["id"]), str(task["status"])
            if self._last_status.get(task_id) != status:
                self._last_status[task_id] = status
                excerpt = screen.truncate(screen.summarise_answer(task))
                screen.print_plain(f"{task_id}  {status:<10}  {_file_name(task)}  {excerpt}".rstrip())


class _TableView(_NoView):
    """Shows a table that changes in place."""

    def __init__(self) -> None:
        self._live = Live(console=screen.console, refresh_per_second=10)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tasks: list[dict[str, object]]) -> None:
        table = screen.make_table("task", "file", "status", "%", flexible=("answer",))
        for task in tasks:
            name, answer = escape(_file_name(task)), escape(screen.summarise_answer(task))
            table.add_row(str(task["id"]), name, screen.format_status(task), str(task["progress"]), answer)
        self._live.update(table)


def _file_name(task: dict[str, object]) -> str:
    return str(task.get("source") or "").rsplit("/", 1)[-1]


def _report_problem(function: str, record: dict[str, object]) -> None:
    if record.get("severity") in ("ERROR", "CRITICAL", "DEFAULT"):
        screen.print_error(f"{function}: {record.get('message')}")
