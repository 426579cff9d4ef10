"""`env`: variables that point Google's own clients at the system that runs.

Use: `eval "$(dropsight env)"`
"""

from __future__ import annotations

import argparse
import shlex

from local import endpoints, screen


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="dropsight env", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--port-base", type=int, default=8080, help="of the system that runs (default 8080)")
    args = parser.parse_args(argv)
    variables = endpoints.read(args.port_base).environment()
    if args.json:
        screen.as_json(variables)
        return 0
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201
    return 0
