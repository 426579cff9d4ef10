"""Put files into an inbox, and with --wait print their answers.

Exit status with --wait: 0 if every task completed, 1 if one failed or has not ended in time.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from local import screen, target
from local.client import Client


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight drop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument(
        "--to",
        default="",
        metavar="PATH",
        help="a folder of the inbox, or for one file its name there; or gs://INBOX/PATH",
    )
    parser.add_argument("--meta", action="append", default=[], metavar="K=V", help="custom metadata; may be repeated")
    parser.add_argument("--wait", action="store_true", help="wait until every task has ended")
    parser.add_argument("--timeout", type=float, default=600, help="how many seconds --wait waits in all (default 600)")
    parser.add_argument("--json", action="store_true", help="print the tasks as the API returns them")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    if missing := [str(file) for file in args.files if not file.is_file()]:
        raise SystemExit(f"no such file: {', '.join(missing)}")
    metadata = parse_metadata(args.meta)
    inbox, path = _parse_destination(args.to)
    with Client(target.choose_target(args)) as client:
        names = [_object_name(file, path, len(args.files)) for file in args.files]
        uris = [client.drop_file(file, name, metadata, inbox) for file, name in zip(args.files, names, strict=True)]
        tasks = [client.wait_for_task_of(uri) for uri in uris]
        if args.wait:
            deadline = time.monotonic() + args.timeout
            tasks = [wait_for_end(client, str(task["id"]), deadline - time.monotonic()) for task in tasks]
    if args.json:
        screen.print_json(tasks)
    else:
        screen.print_tasks(tasks)
        if args.wait:
            for task in tasks:
                screen.print_plain(screen.summarise_answer(task))
    for task in tasks if args.wait else ():
        if task["status"] not in ("completed", "failed"):
            message = f"{task['id']} has not ended within {args.timeout:g} s: it is {task['status']}, and goes on."
            screen.print_error(f"{message} `dropsight show {task['id']}` looks it up.")
    return 1 if args.wait and any(task["status"] != "completed" for task in tasks) else 0


def wait_for_end(client: Client, task_id: str, timeout: float) -> dict[str, object]:
    """Return the task once it has ended, or as it stands after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        task = client.get_task(task_id, wait=left)
        if task["status"] in ("completed", "failed") or left <= 0:
            return task


def parse_metadata(options: list[str]) -> dict[str, str]:
    """Return the custom metadata that the `--meta K=V` options give."""
    metadata = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise SystemExit(f"--meta {option}: write K=V")
        metadata[name] = value
    return metadata


def _parse_destination(to: str) -> tuple[str | None, str]:
    """Return the bucket that `--to` names, or None, and the path in it."""
    if not to.startswith("gs://"):
        return None, to
    bucket, _, path = to.removeprefix("gs://").partition("/")
    if not bucket:
        raise SystemExit(f"--to {to}: write gs://INBOX/PATH")
    return bucket, path


def _object_name(file: Path, path: str, count: int) -> str:
    if not path:
        return file.name
    return path if count == 1 and not path.endswith("/") else f"{path.rstrip('/')}/{file.name}"
