"""Show what tasks used and cost, in US dollars by list prices."""

from __future__ import annotations

import argparse
import csv
import sys
from typing import cast

from rich.markup import escape

from local import screen, target
from local.client import Client
from shared.domain.outputs.tables import neutralised

_COUNTS = (
    "tasks",
    "failed",
    "calls",
    "unpriced_calls",
    "lost_calls",
    "prompt_tokens",
    "cached_tokens",
    "answer_tokens",
    "thinking_tokens",
)
_COSTS = ("cost", "assumed_cost")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight usage", description=__doc__)
    parser.add_argument("--from", dest="first", metavar="DAY", help="the first day, such as 2026-11-01 (UTC)")
    parser.add_argument("--to", dest="last", metavar="DAY", help="the last day (default: today)")
    parser.add_argument(
        "--by", default="day", metavar="GROUPS", help="day, key, inbox, prefix, recipe, model; several with commas"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print what the API returns")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    target.add_arguments(parser)
    args = parser.parse_args(argv)
    with Client(target.choose_target(args)) as client:
        usage = client.get_usage(**{"from": args.first, "to": args.last, "group_by": args.by})
    if args.json:
        screen.print_json(usage)
        return 0
    groups = cast(list[str], usage["group_by"])
    rows = cast(list[dict[str, object]], usage["data"])
    if args.csv or not screen.console.is_terminal:
        writer = csv.writer(sys.stdout, lineterminator="\n", delimiter="," if args.csv else "\t")
        columns = (*groups, *_COUNTS, *_COSTS)
        writer.writerow(columns)
        writer.writerows([neutralised("" if row[name] is None else str(row[name])) for name in columns] for row in rows)
        return 0
    _print_table(groups, rows, cast(dict[str, object], usage["total"]))
    return 0


def _print_table(groups: list[str], rows: list[dict[str, object]], total: dict[str, object]) -> None:
    table = screen.make_table(flexible=groups)
    for heading in ("tasks", "failed", "calls", "tokens in", "tokens out", "US dollars"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in [*rows, {**dict.fromkeys(groups, ""), groups[0]: "total", **total}]:
        out = cast(int, row["answer_tokens"]) + cast(int, row["thinking_tokens"])
        numbers = [row["tasks"], row["failed"], row["calls"], row["prompt_tokens"], out]
        cost = "unknown" if row["cost"] is None else f"{float(str(row['cost'])):.4f}"
        table.add_row(*(escape(str(row[name]) or "–") for name in groups), *(f"{number:,}" for number in numbers), cost)
    screen.console.print(table)
