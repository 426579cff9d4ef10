"""`dropsight` (long form: `python -m local`): Dropsight on one machine, and what looks into a deployed one.

With --api URL, or with DROPSIGHT_API and DROPSIGHT_API_KEY set, drop, tasks and show talk to a deployed system.

up                    serve until Ctrl-C
demo [FILE…]          the main job, end to end, on the samples or on your files
drop FILE…            put files into the inbox of the system that runs
tasks, show ID        look tasks up over its API
env                   variables that point Google's own clients at it
sweep                 find and mend what fell between
keys                  make, list and revoke API keys
recipes               check recipes, and tell which one takes an object
models                list the models that are known; refresh reads the service's list
storage, firestore, gemini, queue    one stand-in alone
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# Of connections that a command ends on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

_STAND_INS = ("storage", "firestore", "gemini", "queue")
_COMMANDS = {
    "up": ("local.commands.up", "serve the whole system until Ctrl-C"),
    "demo": ("local.commands.demo", "run the main job end to end and stop"),
    "drop": ("local.commands.drop", "put files into the inbox"),
    "tasks": ("local.commands.tasks", "list tasks"),
    "show": ("local.commands.show", "show one task"),
    "env": ("local.commands.env", "print variables for Google's clients"),
    "sweep": ("local.commands.sweep", "find and mend what fell between"),
    "keys": ("local.commands.keys", "make, list and revoke API keys"),
    "recipes": ("local.commands.recipes", "check and explain recipes"),
    "models": ("local.commands.models", "list models, and bring the list up to date"),
    "package": ("local.commands.package", "build the source archive that is deployed"),
}


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="dropsight", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=[*_COMMANDS, *_STAND_INS], metavar="COMMAND")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="…", help="see COMMAND --help")
    chosen = parser.parse_args(words[:1])
    name: str = chosen.command
    module = "local.commands.standin" if name in _STAND_INS else _COMMANDS[name][0]
    run = importlib.import_module(module).main
    try:
        status: int = run([name, *words[1:]] if name in _STAND_INS else words[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # Such as `tasks | head -1`: who reads has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


if __name__ == "__main__":
    sys.exit(main())
