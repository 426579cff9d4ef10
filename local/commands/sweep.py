"""Dispatch lost work again, or with --backfill make tasks of files that were in a bucket before.

Acts on the local system; a deployed one runs sweep by schedule. Exit status: 1 if a part of it failed.
"""

from __future__ import annotations

import argparse
from typing import Any

import httpx2
from rich.progress import Progress, SpinnerColumn, TextColumn

from local import endpoints, screen, target

_MEANINGS = {
    "open_tasks": "tasks with something left to do",
    "woken": "whose pause or budget is not in their way any more: dispatched again",
    "leases_expired": "whose holder died: dispatched again",
    "dispatches_lost": "whose dispatch was lost: dispatched again",
    "after_work_unfinished": "with unfinished after-work: dispatched again",
    "objects_checked": "young objects looked at",
    "objects_without_task": "of them without a task: ingested",
    "files_seen": "files of this environment at the Files API",
    "files_deleted": "of them left over: deleted",
    "index_entries_removed": "entries of indexes whose objects are gone: deleted",
    "errors": "parts, tasks or objects that failed (see the log)",
    "objects": "objects under the prefix",
    "bytes": "bytes of them",
    "without_task": "of them without a task",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backfill", metavar="gs://INBOX/PREFIX", help="make a task of every object there, whatever its age"
    )
    parser.add_argument("--dry-run", action="store_true", help="with --backfill: only count, and make no tasks")
    parser.add_argument(
        "--service-tier",
        choices=("flex", "standard", "priority"),
        default="flex",
        help="with --backfill: in which tier the tasks are asked (default flex, at half the price)",
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--port-base", type=int, help="port base of the local system (default 8080)")
    args = parser.parse_args(argv)
    if args.dry_run and not args.backfill:
        parser.error("--dry-run goes with --backfill")
    system = target.require_local_system(
        args.port_base, "there sweep runs by schedule; see docs/operations.md for a backfill"
    )
    counts = _backfill(system, args) if args.backfill else _sweep(system, {})
    if args.json:
        screen.print_json(counts)
        return 1 if counts.get("errors") else 0
    for name, meaning in _MEANINGS.items():
        if name in counts:
            screen.print_line(f"{counts[name]:>12,}  {meaning}")
    if args.backfill:
        screen.print_line(_summarise_backfill(counts))
    return 1 if counts.get("errors") else 0


def _backfill(system: endpoints.Endpoints, args: argparse.Namespace) -> dict[str, Any]:
    """Call sweep until it has seen every object, each time where the last call stopped; return the sums."""
    total: dict[str, Any] = {"objects": 0, "bytes": 0, "without_task": 0, "errors": 0, "dry_run": args.dry_run}
    after = ""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=screen.console, transient=True
    ) as progress:
        line = progress.add_task("listing …")
        while True:
            wanted = {"backfill": args.backfill, "dry_run": args.dry_run, "after": after}
            counts = _sweep(system, {**wanted, "service_tier": args.service_tier})
            for name in ("objects", "bytes", "without_task", "errors"):
                total[name] += counts[name]
            progress.update(line, description=f"{total['objects']:,} objects seen")
            if counts["after"] is None:
                return total
            after = counts["after"]


def _sweep(system: endpoints.Endpoints, body: dict[str, object]) -> dict[str, Any]:
    answer = httpx2.post(f"{system.control}/sweep", json=body, timeout=1900)
    reply: dict[str, Any] = answer.json()
    if answer.is_error:
        raise SystemExit(f"the sweep failed: {reply.get('error', {}).get('message', answer.text)}")
    return reply


def _summarise_backfill(counts: dict[str, Any]) -> str:
    mebibytes = counts["bytes"] / (1 << 20)
    verb = "would be" if counts["dry_run"] else "are"
    return f"\n{counts['without_task']:,} tasks {verb} made; all objects together hold {mebibytes:,.1f} MiB."
