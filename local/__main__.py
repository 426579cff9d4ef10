"""The command `dropsight` (long form: `python -m local`)."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

# Silences gRPC's messages about connections that a command closes on purpose.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

_GROUPS = {
    "run the system on this machine": {
        "demo": "start everything, drop samples or FILES, show their answers, stop",
        "up": "serve the whole system until Ctrl-C",
        "env": "print variables that point Google's clients at the running system",
    },
    "use a system, local or deployed": {
        "drop": "put files into an inbox",
        "tasks": "list tasks",
        "show": "show one task with its whole answer",
        "judge": "compare answers about a folder of files with those that were expected",
        "usage": "show what tasks used and cost",
    },
    "operate a system": {
        "keys": "make, list, rotate and revoke API keys",
        "status": "show what holds work up, and what was spent today",
        "top": "watch tasks, money and failures as they come",
        "pause": "stop working on tasks; new ones wait",
        "resume": "let tasks go on",
        "secrets": "give a deployed system a Gemini API key",
        "sweep": "repair what got lost, or take files that were there before (local)",
        "recipes": "check recipe files, and explain which recipe takes an object",
        "models": "list the models, and update the list from Gemini's own",
        "extension": "write recipes and Terraform variables for a Firebase extension",
        "package": "build the source archive that Terraform deploys",
    },
    "serve one stand-in alone": {
        "storage": "Cloud Storage",
        "firestore": "Firestore",
        "gemini": "the Gemini Developer API",
        "queue": "Cloud Tasks",
        "pubsub": "Pub/Sub",
        "metadata": "the metadata server, which gives a service account's tokens",
    },
}
_STAND_INS = tuple(_GROUPS["serve one stand-in alone"])
_COMMANDS = tuple(name for group in _GROUPS.values() for name in group if name not in _STAND_INS)
_EPILOG = """\
`dropsight COMMAND --help` explains a command. Each command that looks something up takes --json.

drop, tasks, show and judge talk to the local system, or to a deployed one with --api URL or DROPSIGHT_API;
its key is in DROPSIGHT_API_KEY.

exit status: 0 success; 1 a task failed or the command could not do its work; 2 wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="dropsight",
        usage="dropsight COMMAND [OPTION …]",
        description="Drop files into a bucket and read what Gemini says about them.\n\n" + _list_commands(),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=[*_COMMANDS, *_STAND_INS], metavar="COMMAND", help=argparse.SUPPRESS)
    if not words:
        parser.print_help()
        return 2
    command: str = parser.parse_args(words[:1]).command
    is_stand_in = command in _STAND_INS
    module = importlib.import_module(f"local.commands.{'standin' if is_stand_in else command}")
    try:
        status: int = module.main(words if is_stand_in else words[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # The reader has closed the pipe, as in `dropsight tasks | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def _list_commands() -> str:
    """Return the commands by their groups, for the help text."""
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<10} {summary}" for name, summary in commands.items())])
        for title, commands in _GROUPS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
