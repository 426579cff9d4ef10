"""Read a plain transcript's lines as pieces with times, move their times, and write them down as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.domain.answer.timestamps import meant, written
from shared.domain.splitting.seams import Piece

_TIME = r"(?:\d{1,3}:){1,3}\d{2,3}(?!\d)(?:[.,]\d{1,9})?"
_LINE = re.compile(
    rf"(?P<before>\s{{0,8}}(?:[-*]\s{{1,4}})?(?:\*\*)?[\[(]?)(?P<start>{_TIME})"
    rf"(?:(?P<between>\s{{0,4}}(?:-->|[-–—]|to)\s{{0,4}})(?P<end>{_TIME}))?"
    rf"(?P<after>[\])]?(?:\*\*)?[\s:–—-]{{0,8}})(?P<text>[^\n]*)"
)
_SHAPE = re.compile(r"(?P<fields>[\d:]+)(?P<mark>[.,])?(?P<fraction>\d*)")
_TIMED_SHARE = 0.5
"""Share of the paragraphs that have a time, from which on a text counts as one with times."""


class Layout(NamedTuple):
    """How a piece was written: what stands around its times and its text."""

    before: str
    start: str
    between: str
    end: str
    after: str
    numbered: bool
    """Whether its number stood in the line before, as in subtitles."""
    gap: str
    """The lines between it and the next piece."""


class TimedText(NamedTuple):
    preamble: str
    """What stands before the first time."""
    pieces: tuple[Piece, ...]
    """`origin` is an index into `layouts`."""
    layouts: tuple[Layout, ...]


def read_timed(text: str) -> TimedText | None:
    """Return the pieces of a transcript in lines that begin with times; None if it is not one."""
    lines = text.splitlines()
    preamble: list[str] = []
    pieces: list[Piece] = []
    layouts: list[Layout] = []
    alone, numbered = 0, False
    for index, line in enumerate(lines):
        if (read := _read_line(line)) is not None:
            found, start, end = read
            pieces.append(Piece(start, end, found["text"].strip(), len(layouts)))
            layouts.append(
                Layout(found["before"], found["start"], found["between"] or "", found["end"] or "", found["after"],
                       numbered, "")
            )  # fmt: skip
            numbered = False
        elif line.strip().isdecimal() and index + 1 < len(lines) and _read_line(lines[index + 1]) is not None:
            numbered = True
        elif not pieces:
            preamble.append(line)
        elif not line.strip():
            layouts[-1] = layouts[-1]._replace(gap="\n")
        else:
            alone += bool(layouts[-1].gap)
            last = pieces[-1]
            pieces[-1] = last._replace(text=f"{last.text}\n{line}" if last.text else f"\n{line}")
    alone += sum(bool(line.strip()) for line in preamble[1:])
    if not pieces or len(pieces) <= _TIMED_SHARE * (len(pieces) + alone):
        return None
    return TimedText("\n".join(preamble).strip("\n"), tuple(pieces), tuple(layouts))


def _read_line(line: str) -> tuple[re.Match[str], float, float | None] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    try:
        return match, meant(match["start"]), meant(match["end"]) if match["end"] else None
    except ValueError:
        return None


def write_timed(preamble: str, pieces: Sequence[tuple[Piece, Layout]]) -> str:
    """Write the pieces as they were laid out, with their times as they are now."""
    return "\n".join([*([preamble, ""] if preamble.startswith("WEBVTT") else [preamble] if preamble else []),
                      *_lines(pieces)])  # fmt: skip


def _lines(pieces: Sequence[tuple[Piece, Layout]]) -> Iterator[str]:
    for number, (piece, layout) in enumerate(pieces, 1):
        if layout.numbered:
            yield str(number)
        times = written_as(piece.start, layout.start)
        if layout.end and piece.end is not None:
            times += layout.between + written_as(piece.end, layout.end)
        first, _, rest = piece.text.partition("\n")
        yield f"{layout.before}{times}{layout.after}{first}".rstrip()
        if rest:
            yield rest
        # Subtitles stand apart; the last one of a part had nothing behind it.
        if (layout.gap or "-->" in layout.between) and number < len(pieces):
            yield ""


def written_as(seconds: float, pattern: str) -> str:
    """Return a moment in the form of another: with as many fields, and a fraction if it has one.

    >>> written_as(3661.5, "00:00:01,000"), written_as(61.0, "00:01"), written_as(3661.0, "00:01")
    ('01:01:01,500', '01:01', '01:01:01')
    """
    shape = _SHAPE.fullmatch(pattern)
    if shape is None or not shape["mark"]:
        moment = written(seconds)
        return f"00:{moment}" if shape and shape["fields"].count(":") >= 2 and moment.count(":") == 1 else moment
    digits = max(1, len(shape["fraction"]))
    ticks = round(seconds * 10**digits)
    whole, rest = divmod(ticks, 10**digits)
    moment = written(whole)
    if shape["fields"].count(":") >= 2 and moment.count(":") == 1:
        moment = f"00:{moment}"
    return f"{moment}{shape['mark']}{rest:0{digits}}"
