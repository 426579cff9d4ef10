"""`drop`: put files into the inbox of the system that runs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from local import screen, target
from local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight drop", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--to",
        default="",
        metavar="PATH",
        help="a folder of the inbox, or with one file its name there; or gs://INBOX/PATH",
    )
    parser.add_argument("--meta", action="append", default=[], metavar="K=V", help="custom metadata; may be repeated")
    parser.add_argument("--wait", action="store_true", help="until every task has ended; exit 1 if one failed")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that --wait waits (default 600)")
    parser.add_argument("--json", action="store_true", help="the tasks as JSON")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    if missing := [str(file) for file in args.files if not file.is_file()]:
        raise SystemExit(f"no such file: {', '.join(missing)}")
    metadata = dict(pair(word) for word in args.meta)
    inbox, to = _place(args.to)
    with Client(target.chosen(args)) as client:
        names = [_name(file, to, len(args.files)) for file in args.files]
        dropped = [client.drop(file, name, metadata, inbox) for file, name in zip(args.files, names, strict=True)]
        tasks = [client.task_of(uri) for uri in dropped]
        if args.wait:
            tasks = [wait(client, str(task["id"]), args.timeout) for task in tasks]
    if args.json:
        screen.as_json(tasks)
    else:
        screen.table(tasks)
        if args.wait:
            for task in tasks:
                screen.say(screen.plain(screen.answer(task)))
    return 1 if args.wait and any(task["status"] != "completed" for task in tasks) else 0


def wait(client: Client, task_id: str, timeout: float) -> dict[str, object]:
    """The task once it has ended, or as it stands after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        task = client.task(task_id, wait=left)
        if task["status"] in ("completed", "failed") or left <= 0:
            return task


def _place(to: str) -> tuple[str | None, str]:
    """The bucket that `--to` names, or None, and the path in it."""
    if not to.startswith("gs://"):
        return None, to
    bucket, _, path = to.removeprefix("gs://").partition("/")
    if not bucket:
        raise SystemExit(f"--to {to}: write gs://INBOX/PATH")
    return bucket, path


def _name(file: Path, to: str, count: int) -> str:
    if not to:
        return file.name
    return to if count == 1 and not to.endswith("/") else f"{to.rstrip('/')}/{file.name}"


def pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not separator:
        raise SystemExit(f"--meta {word}: write K=V")
    return name, value
