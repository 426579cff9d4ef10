"""`secrets set-gemini-key`: give a deployed system a Gemini API key, typed in or from standard input.

The key goes to Terraform in the environment of its process, and from there into Secret Manager: it enters neither the
shell's history, nor a file, nor Terraform's state. The secret's version number, which must rise, is kept in
secret_versions.auto.tfvars.json beside the configuration. Where the apply fails, the number stays as it was.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_VERSIONS = "secret_versions.auto.tfvars.json"
_KEY = re.compile(r"[A-Za-z0-9._-]{20,200}")
Print = Callable[[str], object]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dropsight secrets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    set_key = actions.add_parser("set-gemini-key", help="write a new version of the Gemini API key, and deploy it")
    set_key.add_argument("--terraform", type=Path, default=Path("terraform"), metavar="DIR", help="the configuration")
    set_key.add_argument("--auto-approve", action="store_true", help="do not ask before the apply")
    args = parser.parse_args(argv)
    return set_gemini_key(args.terraform, _read_key(), auto_approve=args.auto_approve)


def set_gemini_key(directory: Path, key: str, *, auto_approve: bool = False, print_line: Print = print) -> int:
    """Write the key as the secret's next version, and return Terraform's exit status."""
    if _KEY.fullmatch(key) is None:
        print_line("That is no API key: 20 to 200 letters, digits, dots, dashes and underscores are expected.")
        return 1
    if key.startswith("AIza"):
        print_line(
            "This is a standard key. Gemini refuses those: make an auth key in https://aistudio.google.com/apikey."
        )
    file = directory / _VERSIONS
    before = file.read_text() if file.exists() else None
    versions = json.loads(before)["secret_versions"] if before else _applied_versions(directory)
    raised = {**versions, "gemini_api_key": versions.get("gemini_api_key", 0) + 1}
    file.write_text(json.dumps({"secret_versions": raised}, indent=2) + "\n")
    status = _apply(directory, key, auto_approve=auto_approve)
    if status != 0:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)
        print_line("Terraform failed: the functions keep their key.")
        return status
    print_line(f"The functions use version {raised['gemini_api_key']}; keep {file} with the configuration.")
    return 0


def _read_key() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Gemini API key (not shown): ").strip()
    return sys.stdin.readline().strip()


def _applied_versions(directory: Path) -> dict[str, int]:
    """Return the version numbers of the last apply; none before the first."""
    ran = subprocess.run(
        ["terraform", f"-chdir={directory}", "output", "-json"], capture_output=True, text=True, check=False
    )
    outputs = json.loads(ran.stdout or "{}") if ran.returncode == 0 else {}
    applied: dict[str, int] = outputs.get("secret_versions", {}).get("value", {})
    return applied


def _apply(directory: Path, key: str, *, auto_approve: bool) -> int:
    command = ["terraform", f"-chdir={directory}", "apply", *(["-auto-approve"] if auto_approve else [])]
    return subprocess.run(command, env={**os.environ, "TF_VAR_gemini_api_key": key}, check=False).returncode
