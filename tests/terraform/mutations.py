"""Breaks copies of the configuration in the ways that hurt, one at a time; Terraform's own tests must notice each.

`python -m tests.terraform.mutations [NAME …]` tries those of mutations.toml, all or the named ones. See `checker` for
TERRAFORM_CHECK. Ends with 1 where a mutation survives or the untouched control fails, 2 where nothing could be checked.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.terraform.checker import Unavailable, check, copied

_NOTICED = re.compile(
    r"^Failure! \d+ passed, [1-9]|^Error: (Unsupported (argument|attribute)|Reference to)", re.MULTILINE
)
"""A failed test or an impossible configuration; a failure to format or to start would prove nothing."""


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    of: str
    to: str
    caught_by: str


def mutations() -> list[Mutation]:
    listed = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [Mutation(name=name, **fields) for name, fields in listed.items()]


def survives(mutation: Mutation) -> bool:
    with copied() as directory:
        break_(directory, mutation)
        for tests in (directory / "tests").glob("*.tftest.hcl"):
            if tests.name != f"{mutation.caught_by}.tftest.hcl":
                tests.unlink()
        return _NOTICED.search(check(directory).stderr) is None


def broken(text: str, mutation: Mutation) -> str:
    """Return the file's text with the mutation. Raises ValueError if what it breaks is not there any more."""
    pattern = re.compile(r" +".join(re.escape(word) for word in mutation.of.split(" ")))
    changed, times = pattern.subn(lambda _: mutation.to, text, count=1)
    if times == 0 or changed == text:
        raise ValueError(f"{mutation.name}: {mutation.file} does not hold {mutation.of!r} any more")
    return changed


def break_(directory: Path, mutation: Mutation) -> None:
    path = directory / mutation.file
    path.write_text(broken(path.read_text(), mutation))
    if path.suffix == ".tf":
        subprocess.run(["terraform", "fmt", str(path)], check=True, capture_output=True)


def main(argv: Sequence[str] | None = None) -> int:
    names = list(sys.argv[1:] if argv is None else argv)
    chosen = [mutation for mutation in mutations() if not names or mutation.name in names]
    began = time.monotonic()
    survivors = 0
    try:
        with copied() as directory:
            control = check(directory)
        if control.returncode != 0:
            sys.stdout.write(f"the untouched configuration fails:\n{control.stderr}")
            return 1
        for mutation in chosen:
            survived = survives(mutation)
            survivors += survived
            sys.stdout.write(f"{'SURVIVED' if survived else 'caught  '}  {mutation.name}\n")
            sys.stdout.flush()
    except Unavailable as error:
        sys.stderr.write(f"not checked: {error}\n")
        return 2
    took = time.monotonic() - began
    sys.stdout.write(f"{len(chosen) - survivors} of {len(chosen)} mutations caught, in {took:.0f} s\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
