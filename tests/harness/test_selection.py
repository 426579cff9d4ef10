"""Which tests a command runs: a long test is left out of `make test`, but not of CI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.running import ROOT
from tests.stress import SUITES

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def recipe(target: str) -> str:
    """Return the commands of a target in the Makefile."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found is not None, f"the Makefile has no target {target}"
    return found[1]


def test_what_make_test_leaves_out_as_long_is_what_make_test_long_runs() -> None:
    near, long = (re.search(r"-m pytest -n \d (.+)", recipe(target)) for target in ("test", "test-long"))
    assert near is not None
    assert long is not None
    assert near[1] == long[1].replace("-m long", '-m "not long"')
    assert near[1] != long[1]


@pytest.mark.parametrize("target", ["test", "test-long", "test-page", "chaos"])
def test_ci_runs_each_part_of_the_tests(target: str) -> None:
    script = Path(ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(rf"^ *run .* make {target}$", script, re.MULTILINE)


def test_make_test_ends_by_naming_what_it_left_out() -> None:
    last = recipe("test").splitlines()[-1]
    assert "echo" in last
    assert [target for target in ("test-long", "test-page", "chaos") if f"make {target})" not in last] == []


@pytest.mark.parametrize(("suite", "target"), [("tests", "test"), ("long", "test-long"), ("chaos", "chaos")])
def test_stress_selects_the_tests_that_make_does(suite: str, target: str) -> None:
    given = SUITES[suite]
    selected = given[given.index("-m") + 1] if "-m" in given else ""
    made = re.search(r'-m (?!pytest)(?:"([^"]+)"|(\w+))', recipe(target))
    assert selected == ("" if made is None else made[1] or made[2])
