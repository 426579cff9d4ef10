"""What the commands print: coloured and aligned on a terminal, plain lines when piped, JSON when asked for."""

from __future__ import annotations

import json
import sys
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_COLOURS = {"completed": "green", "failed": "red", "processing": "yellow", "pending": "cyan"}
_TEXT_SHOWN = 90

console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line for people; may hold rich's markup."""
    console.print(text)


def plain(text: str) -> str:
    """Text that may hold brackets, for use within markup."""
    return escape(text)


def complain(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{escape(text)}[/red]")


def progress(text: str) -> None:
    """A line about what is being done, on standard error: standard output holds what was asked for."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[dim]{escape(text)}[/dim]")


def as_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=None if isinstance(value, str) else 2) + "\n")
    sys.stdout.flush()


def status(task: dict[str, object]) -> str:
    word = str(task["status"])
    waiting = task.get("waiting")
    colour = _COLOURS.get(word, "white")
    return f"[{colour}]{word}[/{colour}]" + (f" ({waiting['reason']})" if isinstance(waiting, dict) else "")


def answer(task: dict[str, object]) -> str:
    """What a task says, in one line: the beginning of its answer, or its error."""
    error, results = task.get("error"), task.get("results")
    if isinstance(error, dict):
        return f"{error['code']}: {error['message']}"
    if isinstance(results, list) and results:
        return " ".join(str(results[0]["choices"][0]["message"]["content"] or "").split())
    waiting = task.get("waiting")
    return str(waiting.get("detail", "")) if isinstance(waiting, dict) else ""


def short(text: str, width: int = _TEXT_SHOWN) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def table(tasks: list[dict[str, object]]) -> None:
    """Tasks, a line each."""
    if not console.is_terminal:
        for task in tasks:
            created = datetime.fromtimestamp(float(str(task["created"]))).astimezone().isoformat(timespec="seconds")
            line = "\t".join([str(task["id"]), str(task["status"]), created, str(task.get("source") or "-")])
            sys.stdout.write(line + "\n")
        return
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("task", "status", "source", "answer"):
        grid.add_column(heading, overflow="ellipsis", no_wrap=True)
    for task in tasks:
        grid.add_row(str(task["id"]), status(task), plain(str(task.get("source") or "-")), plain(answer(task)))
    console.print(grid)
