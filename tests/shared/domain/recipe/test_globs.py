"""Globs mean what they say, and no name makes one slow."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.recipe.globs import glob_pattern
from shared.domain.recipe.toml_lines import lines

PIECES = ["**/", "**", "*", "?", "[ab]", "[!a]", "a", "b", "/", ".", "\n"]


def fits(pieces: list[str], name: str) -> bool:
    """The meaning of each piece, tried one after the other."""
    if not pieces:
        return not name
    piece, rest = pieces[0], pieces[1:]
    match piece:
        case "**/":
            ends = [at + 1 for at, character in enumerate(name) if character == "/"]
            return fits(rest, name) or any(fits(rest, name[end:]) for end in ends)
        case "**":
            return any(fits(rest, name[at:]) for at in range(len(name) + 1))
        case "*":
            folder = name.partition("/")[0]
            return any(fits(rest, name[at:]) for at in range(len(folder) + 1))
    if not name:
        return False
    taken = {"?": name[0] != "/", "[ab]": name[0] in "ab", "[!a]": name[0] not in "a/"}
    return taken.get(piece, name[0] == piece) and fits(rest, name[1:])


@given(st.lists(st.sampled_from(PIECES), max_size=6), st.text(alphabet="ab/.\n", max_size=7))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_a_glob_fits_what_its_pieces_fit(pieces: list[str], name: str) -> None:
    glob = "".join(pieces)
    assert glob_pattern(glob).fullmatch(name) == fits(_parsed(glob), name)


def _parsed(glob: str) -> list[str]:
    """The pieces of the whole text: two that stand side by side may be a third one."""
    pieces, at = [], 0
    while at < len(glob):
        piece = next(piece for piece in PIECES if glob.startswith(piece, at))
        pieces.append(piece)
        at += len(piece)
    return pieces


def test_no_name_makes_a_glob_slow() -> None:
    began = time.process_time()
    for glob in ("*a" * 40 + "b", "**/" * 40 + "b", "**a*" * 30 + "[b]", "?" * 900 + "**c"):
        assert not glob_pattern(glob).fullmatch("a/" * 512)
        assert not glob_pattern(glob).fullmatch("a" * 1_024)
    assert time.process_time() - began < 3


def test_the_lines_of_a_long_file_are_counted_in_linear_time() -> None:
    text = "".join(f"key{number} = 1\r\n" for number in range(60_000))
    began = time.process_time()
    numbers = lines(text)
    assert time.process_time() - began < 6
    assert numbers[("key59999",)] == 60_000
