"""`matchGlob` means what its pieces say, and neither a name nor a glob makes it slow."""

from __future__ import annotations

import time

import pytest

from local.standins.storage.errors import ApiError
from local.standins.storage.glob import Glob


@pytest.mark.parametrize(
    ("glob", "fitting", "other"),
    [
        ("*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txt.gz"]),
        ("**.txt", ["a/b.txt"], ["a/b"]),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "a/bx"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("[a-c]1", ["b1"], ["d1"]),
        ("[!a]", ["b"], ["a", "/"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("{a,b{c,d*}}/e", ["a/e", "bc/e", "bdd/e"], ["b/e", "a,b/e"]),
        ("{,x}y", ["y", "xy"], ["x"]),
        (r"\*,\{", ["*,{"], ["a,{"]),
    ],
)
def test_a_glob_matches_what_its_pieces_say(glob: str, fitting: list[str], other: list[str]) -> None:
    compiled = Glob(glob)
    assert [name for name in fitting if not compiled.fullmatch(name)] == []
    assert [name for name in other if compiled.fullmatch(name)] == []


@pytest.mark.parametrize("glob", ["[a", "{a", "a}", "[c-a]", "a" * 5_000])
def test_a_malformed_glob_is_refused(glob: str) -> None:
    with pytest.raises(ApiError, match="Invalid match glob"):
        Glob(glob)


def test_no_glob_takes_more_than_linear_time() -> None:
    began = time.process_time()
    for glob in ("*a" * 40 + "b", "**/" * 40 + "b", "**a*" * 30 + "[b]", "?" * 900 + "**c", "{a,*,**}" * 200 + "c"):
        assert not Glob(glob).fullmatch("a/" * 512)
        assert not Glob(glob).fullmatch("a" * 1_024)
    assert time.process_time() - began < 3
