"""Output of the commands: coloured and aligned on a terminal, plain lines when piped, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_COLOURS = {"completed": "green", "failed": "red", "processing": "yellow", "pending": "cyan"}
_EXCERPT_CHARACTERS = 90

console = Console(highlight=False, soft_wrap=True, emoji=False)
_errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_line(markup: str) -> None:
    """Print a line that may hold rich's markup."""
    console.print(markup)


def print_plain(text: str) -> None:
    """Print text as it is, brackets included."""
    console.print(text, markup=False)


def print_error(text: str) -> None:
    _errors.print(f"[red]{escape(text)}[/red]")


def print_progress(text: str) -> None:
    """Print what the command is doing to standard error, since standard output is for the result."""
    _errors.print(f"[dim]{escape(text)}[/dim]")


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=None if isinstance(value, str) else 2) + "\n")
    sys.stdout.flush()


def format_status(task: dict[str, object]) -> str:
    """Return the task's status in its colour, and the reason if it waits."""
    status, waiting = str(task["status"]), task.get("waiting")
    colour = _COLOURS.get(status, "white")
    return f"[{colour}]{status}[/{colour}]" + (f" ({waiting['reason']})" if isinstance(waiting, dict) else "")


def summarise_answer(task: dict[str, object]) -> str:
    """Return the task's answer, its error, or what it waits for, in one line."""
    error, results, waiting = task.get("error"), task.get("results"), task.get("waiting")
    if isinstance(error, dict):
        return f"{error['code']}: {error['message']}"
    if isinstance(results, list) and results:
        return " ".join(str(results[0]["choices"][0]["message"]["content"] or "").split())
    return str(waiting.get("detail", "")) if isinstance(waiting, dict) else ""


def truncate(text: str, width: int = _EXCERPT_CHARACTERS) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def make_table(*headings: str, flexible: Sequence[str]) -> Table:
    """Return an empty table. The flexible columns share the width that the others leave, and are cut to it."""
    table = Table(box=None, header_style="bold", pad_edge=False, expand=True)
    for heading in headings:
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for heading in flexible:
        table.add_column(heading, overflow="ellipsis", no_wrap=True, ratio=1)
    return table


def print_tasks(tasks: list[dict[str, object]]) -> None:
    """Print a table of tasks, or tab-separated lines when piped: id, status, time of creation, source."""
    if not console.is_terminal:
        for task in tasks:
            created = datetime.fromtimestamp(float(str(task["created"]))).astimezone().isoformat(timespec="seconds")
            line = "\t".join([str(task["id"]), str(task["status"]), created, str(task.get("source") or "-")])
            sys.stdout.write(line + "\n")
        return
    table = make_table("task", "status", flexible=("source", "answer"))
    for task in tasks:
        source, answer = escape(str(task.get("source") or "-")), escape(summarise_answer(task))
        table.add_row(str(task["id"]), format_status(task), source, answer)
    console.print(table)
