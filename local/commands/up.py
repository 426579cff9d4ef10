"""Serve the whole system on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from rich.markup import escape

from local import endpoints, event_loop, screen

_PROMINENT = ("WARNING", "ERROR", "CRITICAL", "DEFAULT")
"""Severities of log lines that are not dimmed."""


def add_system_arguments(parser: argparse.ArgumentParser, port_base: int = 8080) -> None:
    """Add the options that say how to start a system; `port_base` is the default of that option."""
    parser.add_argument(
        "--port-base",
        type=int,
        default=port_base,
        help=f"the API's port; the others are the next ones; 0 takes free ports (default {port_base})",
    )
    parser.add_argument("--data", type=Path, help="a folder that keeps the state (default: a fresh temporary one)")
    parser.add_argument(
        "--gemini",
        choices=("stand-in", "real"),
        default="stand-in",
        help="which model answers; real needs GEMINI_API_KEY (default stand-in)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a DROPSIGHT_… setting of the functions; may be repeated",
    )
    parser.add_argument(
        "--allow-loopback",
        action="store_true",
        help="let callbacks and inputs name addresses of this machine (refused by default, as in the cloud)",
    )


def parse_settings(args: argparse.Namespace) -> dict[str, str]:
    """Return the settings that `--set` and `--allow-loopback` give; exit if the real model lacks its key."""
    settings: dict[str, str] = {}
    for option in args.set:
        name, separator, value = option.partition("=")
        if not separator:
            raise SystemExit(f"--set {option}: write NAME=VALUE, such as DROPSIGHT_LEASE_SECONDS=20")
        settings[name] = value
    if args.allow_loopback:
        settings["DROPSIGHT_ALLOW_LOOPBACK"] = "true"
    if args.gemini == "real" and not os.environ.get("GEMINI_API_KEY"):
        raise SystemExit("--gemini real: set GEMINI_API_KEY to a key of the Gemini API")
    return settings


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight up", description=__doc__)
    add_system_arguments(parser)
    parser.add_argument(
        "--ready-file", type=Path, help="a file for the endpoints as JSON (mode 0600), written once all answer"
    )
    parser.add_argument("--json", action="store_true", help="print endpoints and logs as JSON lines")
    args = parser.parse_args(argv)
    return event_loop.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    screen.print_progress("starting the local system")  # Before the imports, which take a second.
    from local.system import LocalSystem, Options

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    options = Options(port_base=args.port_base, data=args.data, gemini=args.gemini, settings=parse_settings(args))
    if args.data is not None:
        args.data.mkdir(parents=True, exist_ok=True)
    report = _print_record_as_json if args.json else _print_record
    began = time.monotonic()
    try:
        system = LocalSystem(options, report, screen.print_progress)
        async with system:
            files = [endpoints.default_file(args.port_base), *([args.ready_file] if args.ready_file else [])]
            for file in files:
                system.write_endpoints(file)
            seconds, link = time.monotonic() - began, f"{system.endpoints.api}/#sign-in={system.page.new_code()}"
            _print_endpoints(system.endpoints, seconds, link, as_json=args.json, port_base=args.port_base)
            await stopped.wait()
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    file.unlink()
    except RuntimeError as error:
        screen.print_error(f"cannot start: {error}.")
        return 1
    except OSError as error:
        screen.print_error(f"cannot start: {error}. Is another one running? Choose other ports with --port-base.")
        return 1
    return 0


def _print_endpoints(system: endpoints.Endpoints, seconds: float, link: str, *, as_json: bool, port_base: int) -> None:
    if as_json:
        print(json.dumps({"ready": system.model_dump(exclude={"api_key"}), "seconds": round(seconds, 2)}), flush=True)  # noqa: T201
        return
    screen.print_line(f"\n[bold]open[/bold] {escape(link)}   (signs in once)\n")
    screen.print_line(f"[bold green]Dropsight is up[/bold green] after {seconds:.1f} s. Ctrl-C ends it.\n")
    for name, value in system.model_dump().items():
        screen.print_line(f"  [bold]{name:<10}[/bold]{escape(str(value))}")
    flag = "" if port_base == 8080 else f" --port-base {port_base}"
    screen.print_line(f"\nDrop a file:   dropsight drop{flag} tests/samples/speech.wav --wait")
    screen.print_line(f"Look it up:    dropsight tasks{flag}\n")


def _print_record(function: str, record: dict[str, object]) -> None:
    severity = str(record.get("severity", "DEFAULT"))
    text = f"{function}: {record.get('message', '')}"
    if severity in _PROMINENT:
        screen.print_line(f"[yellow]{severity:<8}[/yellow] {escape(text)}")
        if trace := record.get("stack_trace"):
            screen.print_plain(str(trace))
    else:
        screen.print_line(f"[dim]{escape(text)}[/dim]")


def _print_record_as_json(function: str, record: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"function": function, **record}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
