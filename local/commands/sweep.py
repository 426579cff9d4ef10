"""`sweep`: find work that got lost and dispatch it again; with --backfill, take files that were there before."""

from __future__ import annotations

import argparse
from typing import Any

import httpx2
from rich.progress import Progress, SpinnerColumn, TextColumn

from local import endpoints, screen, target

_MEANINGS = {
    "open_tasks": "tasks with something left to do",
    "leases_expired": "whose holder died: dispatched again",
    "dispatches_lost": "whose dispatch was lost: dispatched again",
    "after_work_unfinished": "with unfinished after-work: dispatched again",
    "objects_checked": "young objects looked at",
    "objects_without_task": "of them without a task: ingested",
    "files_seen": "files of this environment at the Files API",
    "files_deleted": "of them left over: deleted",
    "errors": "parts, tasks or objects that failed (see the log)",
    "objects": "objects under the prefix",
    "bytes": "bytes of them",
    "without_task": "of them without a task",
}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight sweep", description=__doc__)
    parser.add_argument("--backfill", metavar="gs://INBOX/PREFIX", help="take every object there, whatever its age")
    parser.add_argument("--dry-run", action="store_true", help="with --backfill: only count and estimate")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--port-base", type=int, help="of the local system that runs (default 8080)")
    args = parser.parse_args(argv)
    if args.dry_run and not args.backfill:
        parser.error("--dry-run goes with --backfill")
    found = target.local_only(args.port_base, "there sweep runs by schedule; see docs/operations.md for a backfill")
    counts = _backfill(found, args) if args.backfill else _sweep(found, {})
    if args.json:
        screen.as_json(counts)
        return 1 if counts.get("errors") else 0
    for name, meaning in _MEANINGS.items():
        if name in counts:
            screen.say(f"{counts[name]:>12,}  {meaning}")
    if args.backfill:
        screen.say(_estimate(counts))
    return 1 if counts.get("errors") else 0


def _backfill(found: endpoints.Endpoints, args: argparse.Namespace) -> dict[str, Any]:
    """Run after run, each resuming where the last one stopped."""
    total: dict[str, Any] = {"objects": 0, "bytes": 0, "without_task": 0, "errors": 0, "dry_run": args.dry_run}
    after = ""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=screen.console, transient=True
    ) as progress:
        line = progress.add_task("listing …")
        while True:
            counts = _sweep(found, {"backfill": args.backfill, "dry_run": args.dry_run, "after": after})
            for name in ("objects", "bytes", "without_task", "errors"):
                total[name] += counts[name]
            progress.update(line, description=f"{total['objects']:,} objects seen")
            if counts["after"] is None:
                return total
            after = counts["after"]


def _sweep(found: endpoints.Endpoints, body: dict[str, object]) -> dict[str, Any]:
    answer = httpx2.post(f"{found.control}/sweep", json=body, timeout=1900)
    reply: dict[str, Any] = answer.json()
    if answer.is_error:
        raise SystemExit(f"the sweep failed: {reply.get('error', {}).get('message', answer.text)}")
    return reply


def _estimate(counts: dict[str, Any]) -> str:
    mebibytes = counts["bytes"] / (1 << 20)
    verb = "would be" if counts["dry_run"] else "are"
    return f"\n{counts['without_task']:,} tasks {verb} made; all objects together hold {mebibytes:,.1f} MiB."
