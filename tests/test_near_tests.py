"""Every class over a service's client has a test of its own."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@cache
def modules_imported_by_tests() -> set[str]:
    imported: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if "shared.cloud" not in (text := path.read_text(encoding="utf-8")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
    return imported


@pytest.mark.parametrize("path", sorted((ROOT / "shared" / "cloud").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_module_that_calls_a_service_is_imported_by_a_test(path: Path) -> None:
    assert f"shared.cloud.{path.stem}" in modules_imported_by_tests()
