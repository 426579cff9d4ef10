"""`up`: serve the whole system until Ctrl-C."""

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

from local import endpoints, screen

_SHOWN = ("WARNING", "ERROR", "CRITICAL", "DEFAULT")


def add_system_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port-base",
        type=int,
        default=8080,
        help="the api's port, the rest on the next ones; 0: free ones (default 8080)",
    )
    parser.add_argument("--data", type=Path, help="a folder that keeps the state (default: a fresh temporary one)")
    parser.add_argument("--gemini", choices=("stand-in", "real"), default="stand-in", help="real: needs GEMINI_API_KEY")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a DROPSIGHT_… setting for the functions; may be repeated",
    )
    parser.add_argument(
        "--allow-loopback",
        action="store_true",
        help="callbacks and inputs may name addresses of this machine (refused by default, as in the cloud)",
    )


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for word in args.set:
        name, separator, value = word.partition("=")
        if not separator:
            raise SystemExit(f"--set {word}: write NAME=VALUE, such as DROPSIGHT_LEASE_SECONDS=20")
        chosen[name] = value
    if args.allow_loopback:
        chosen["DROPSIGHT_ALLOW_LOOPBACK"] = "true"
    if args.gemini == "real" and not os.environ.get("GEMINI_API_KEY"):
        raise SystemExit("--gemini real: set GEMINI_API_KEY to a key of the Gemini API")
    return chosen


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight up", description=__doc__)
    add_system_arguments(parser)
    parser.add_argument(
        "--ready-file", type=Path, help="written (mode 0600) with the endpoints as JSON once all answer"
    )
    parser.add_argument("--json", action="store_true", help="endpoints and logs as JSON lines")
    args = parser.parse_args(argv)
    return asyncio.run(_serve(args))


async def _serve(args: argparse.Namespace) -> int:
    screen.progress("starting the local system")  # before the imports, which take a second
    from local.system import LocalSystem, Options

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    options = Options(port_base=args.port_base, data=args.data, gemini=args.gemini, settings=settings_of(args))
    if args.data is not None:
        args.data.mkdir(parents=True, exist_ok=True)
    report = _as_json if args.json else _for_people
    began = time.monotonic()
    try:
        system = LocalSystem(options, report, screen.progress)
        async with system:
            files = [endpoints.default_file(args.port_base), *([args.ready_file] if args.ready_file else [])]
            for file in files:
                system.write_endpoints(file)
            _announce(system.endpoints, time.monotonic() - began, as_json=args.json, port_base=args.port_base)
            await stopped.wait()
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    file.unlink()
    except RuntimeError as error:
        screen.complain(f"cannot start: {error}.")
        return 1
    except OSError as error:
        screen.complain(f"cannot start: {error}. Is another one running? Choose other ports with --port-base.")
        return 1
    return 0


def _announce(found: endpoints.Endpoints, seconds: float, *, as_json: bool, port_base: int) -> None:
    if as_json:
        print(json.dumps({"ready": found.model_dump(exclude={"api_key"}), "seconds": round(seconds, 2)}), flush=True)  # noqa: T201
        return
    screen.say(f"[bold green]Dropsight is up[/bold green] after {seconds:.1f} s. Ctrl-C ends it.\n")
    for name, value in found.model_dump().items():
        screen.say(f"  [bold]{name:<10}[/bold]{screen.plain(str(value))}")
    flag = "" if port_base == 8080 else f" --port-base {port_base}"
    screen.say(f"\nDrop a file:   dropsight drop{flag} tests/samples/speech.wav --wait")
    screen.say(f"Look it up:    dropsight tasks{flag}\n")


def _for_people(function: str, record: dict[str, object]) -> None:
    severity = str(record.get("severity", "DEFAULT"))
    text = f"{function}: {record.get('message', '')}"
    if severity in _SHOWN:
        screen.say(f"[yellow]{severity:<8}[/yellow] {screen.plain(text)}")
        if trace := record.get("stack_trace"):
            screen.say(screen.plain(str(trace)))
    else:
        screen.say(f"[dim]{screen.plain(text)}[/dim]")


def _as_json(function: str, record: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"function": function, **record}, ensure_ascii=False) + "\n")
    sys.stdout.flush()
