"""Runs Terraform on a copy of a configuration: format, validation, tests; and plans as JSON.

The environment variable TERRAFORM_CHECK may name a command that does so without a network:
`CHECK DIRECTORY` formats, validates and tests, `CHECK DIRECTORY plan -var k=v …` prints a plan as JSON too. Without it,
terraform itself does, with the provider from its registry; a plan is then not to be had, for it would need a project.

`python -m tests.terraform.checker` checks the configuration in terraform/.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from tests.environment import NO_AUTHORITY

CONFIGURATION = Path(__file__).parents[2] / "terraform"
CHECKER = os.environ.get("TERRAFORM_CHECK")
CACHES = CONFIGURATION.parent / "build" / "terraform-checker"
"""A folder for each check that runs at the same time: a checker may rewrite at its start what another one runs."""

_STATE = shutil.ignore_patterns(".terraform*", "*.tfstate*", "__pycache__")
_STATE_AND_SETTINGS = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars", "__pycache__")


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Return what a copy goes without: state, and beside the configuration the variables of a real deployment."""
    return (_STATE_AND_SETTINGS if Path(folder) == CONFIGURATION else _STATE)(folder, names)


class Unavailable(Exception):
    """Neither a checker is named nor can terraform reach its provider: nothing was checked."""


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of the configuration to change."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copytree(CONFIGURATION, Path(folder) / "terraform", ignore=_left_out))


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    """Format, validation and tests; the first failure's status."""
    if CHECKER is not None:
        return _run([CHECKER, str(directory)])
    if shutil.which("terraform") is None:
        raise Unavailable("terraform is not installed, and TERRAFORM_CHECK names no other checker")
    here = ["terraform", f"-chdir={directory}"]
    began = _run([*here, "init", "-backend=false", "-input=false", "-no-color"])
    if began.returncode != 0:
        raise Unavailable(f"terraform cannot get the google provider, and TERRAFORM_CHECK is unset:\n{began.stderr}")
    said = ""
    for words in (["fmt", "-check", "-recursive"], ["validate", "-no-color"], ["test", "-no-color"]):
        ran = _run([*here, *words])
        said += ran.stdout + ran.stderr
        if ran.returncode != 0:
            break
    return subprocess.CompletedProcess(ran.args, ran.returncode, "", said)


def plan(**variables: object) -> dict[str, Any]:
    """What `terraform show -json` says of a plan on an empty project."""
    if CHECKER is None:
        raise Unavailable("a plan needs a checker: set TERRAFORM_CHECK")
    words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in variables.items()]
    with copied() as directory:
        shutil.rmtree(directory / "tests")
        ran = _run([CHECKER, str(directory), "plan", *(part for word in words for part in ("-var", word))])
    if ran.returncode != 0:
        raise AssertionError(f"the plan failed:\n{ran.stderr}")
    return cast(dict[str, Any], json.loads(ran.stdout))


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # Terraform's registry is the one service outside that is called.
    environment = {name: value for name, value in os.environ.items() if value != NO_AUTHORITY}
    with _own_cache() as cache:
        environment["XDG_CACHE_HOME"] = str(cache)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def _own_cache() -> Iterator[Path]:
    """Yield a cache folder that no other process or thread uses meanwhile; the next one may find it filled."""
    CACHES.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        with (CACHES / f"{number}.lock").open("w") as lock:
            if _is_taken(lock):
                continue
            yield CACHES / str(number)
            return


def _is_taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def main() -> int:
    with copied() as directory:
        try:
            ran = check(directory)
        except Unavailable as error:
            sys.stderr.write(f"not checked: {error}\n")
            return 2
    sys.stderr.write(ran.stderr)
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main())
