"""functions-framework as the buildpack starts it, in an interpreter that can import only what is deployed.

A slim image has the packages of requirements.txt and what they need, nothing else; here a development environment has
more. So everything that belongs to any other distribution is refused at import.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class OnlyDeployed(MetaPathFinder):
    """Refuses top-level modules that no deployed distribution brings along."""

    def __init__(self, requirements: str) -> None:
        deployed = closure(requirements)
        self.refused = {
            module
            for module, brought_by in metadata.packages_distributions().items()
            if deployed.isdisjoint(_normal(name) for name in brought_by)
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self.refused:
            raise ModuleNotFoundError(f"{fullname} is not deployed: requirements.txt does not bring it", name=fullname)
        return None


def closure(requirements: str) -> set[str]:
    """The distributions that pip would install for a requirements file, by their normalised names."""
    wanted = [line for line in requirements.splitlines() if line.strip() and not line.startswith("#")]
    found: set[str] = set()
    _follow(wanted, frozenset(), found)
    return found


def _follow(wanted: Iterable[str], extras: frozenset[str], found: set[str]) -> None:
    for requirement in wanted:
        text, _, marker = requirement.partition(";")
        match = _NAME.match(text)
        if match is None or not _applies(marker, extras):
            continue
        name = _normal(match[0])
        inner = re.search(r"\[([^]]*)\]", text)
        asked = frozenset(part.strip() for part in inner[1].split(",")) if inner else frozenset()
        if name in found and not asked:
            continue
        found.add(name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            # Needed elsewhere only: on another platform or an older Python.
            found.discard(name)
            continue
        _follow(needs, asked, found)


def _applies(marker: str, extras: frozenset[str]) -> bool:
    named = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
    return named is None or named[1] in extras


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.meta_path.insert(0, OnlyDeployed(Path("requirements.txt").read_text()))
    from functions_framework._cli import _cli

    _cli()
