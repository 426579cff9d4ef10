"""Print variables that point Google's client libraries and the dropsight commands at the local system.

Usage: eval "$(dropsight env)"
"""

from __future__ import annotations

import argparse
import shlex

from local import endpoints, screen


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight env", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the variables as JSON")
    parser.add_argument("--port-base", type=int, default=8080, help="port base of the local system (default 8080)")
    args = parser.parse_args(argv)
    variables = endpoints.read_endpoints(args.port_base).environment()
    if args.json:
        screen.print_json(variables)
        return 0
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")  # noqa: T201
    return 0
