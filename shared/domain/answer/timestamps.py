"""Read and write moments of a recording: MM:SS or HH:MM:SS, with or without fractions."""

from __future__ import annotations

import re
import unicodedata

_MOMENT = re.compile(r"(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,4}):(?P<seconds>\d{1,2}(?:[.,]\d{1,6})?)", re.ASCII)
_AS_ASKED = re.compile(r"\d{1,3}(?::[0-5]?\d)?:[0-5]\d(?:\.\d{1,6})?", re.ASCII)
_FIELDS = re.compile(r"(?P<fields>\d{0,4}(?::\d{1,3}){1,3})(?:[.,](?P<fraction>\d{1,9}))?", re.ASCII)
_UNITS = re.compile(
    r"(?:(?P<hours>\d{1,3})\s*h(?:(?:ou)?rs?)?)?[\s,]*"
    r"(?:(?P<minutes>\d{1,4})\s*m(?:in(?:ute)?s?)?)?[\s,]*"
    r"(?:(?P<seconds>\d{1,6}(?:[.,]\d{1,9})?)\s*s(?:ec(?:ond)?s?)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"(?P<number>\d{1,9}(?:[.,]\d{1,9})?)\s*(?P<milli>ms|msec|milliseconds?)?", re.ASCII)
_LONGEST = 40
"""Characters. A longer text is not a time."""


def seconds_of(written: str) -> float:
    """Return the seconds from the beginning. Raises ValueError if the text is not a moment."""
    match = _MOMENT.fullmatch(written.strip().strip("[]()"))
    if match is None:
        raise ValueError(f"{written!r} is no time: write MM:SS or HH:MM:SS")
    hours, minutes, seconds = match["hours"], int(match["minutes"]), float(match["seconds"].replace(",", "."))
    if seconds >= 60 or (hours is not None and minutes >= 60):
        raise ValueError(f"{written!r} is no time: minutes and seconds end at 59")
    return int(hours or 0) * 3600 + minutes * 60 + seconds


def meant(written: str) -> float:
    """Return the seconds of any text with exactly one meaning. Raises ValueError otherwise.

    A model that is asked for MM:SS may still write 00:60, 00:01:500, 1.5s or 1:2:3.

    >>> meant("00:60"), meant("00:01:500"), meant("1.5s"), meant("1m 5s")
    (60.0, 1.5, 1.5, 65.0)
    """
    text = unicodedata.normalize("NFKC", written[: _LONGEST + 1]).strip().strip("[](){}<>\"'~≈ ").lower()
    if len(text) <= _LONGEST:
        if match := _FIELDS.fullmatch(text):
            return _of_fields(match["fields"].split(":"), match["fraction"], written)
        if match := _NUMBER.fullmatch(text):
            return float(match["number"].replace(",", ".")) / (1000 if match["milli"] else 1)
        match = _UNITS.fullmatch(text.removeprefix("pt"))
        if match and any(match.groups()):
            seconds = float((match["seconds"] or "0").replace(",", "."))
            return int(match["hours"] or 0) * 3600 + int(match["minutes"] or 0) * 60 + seconds
    raise ValueError(f"{_short(written)} is no time: write MM:SS or HH:MM:SS")


def as_asked(written: str) -> bool:
    """Return whether a moment is written MM:SS or HH:MM:SS, as models are asked to."""
    return _AS_ASKED.fullmatch(written) is not None


def written(seconds: float) -> str:
    """Return MM:SS, or HH:MM:SS from one hour on, as in the guide "Audio understanding"."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours:02}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def written_exactly(seconds: float) -> str:
    """Return the moment as `written` does, with milliseconds if there are any."""
    milliseconds = round(seconds * 1000)
    whole, rest = divmod(milliseconds, 1000)
    return f"{written(whole)}.{rest:03}" if rest else written(whole)


def _of_fields(fields: list[str], fraction: str | None, written: str) -> float:
    """Add up the fields, even above 59. Three digits at the end of three or four fields are milliseconds."""
    tail = fields[-1]
    part = float(f"0.{fraction}") if fraction else 0.0
    if len(tail) == 3:
        if len(fields) == 2 or fraction:
            raise ValueError(f"{_short(written)} is no time: write MM:SS or HH:MM:SS")
        fields, part = fields[:-1], int(tail) / 1000
    elif len(fields) == 4:
        # HH:MM:SS and frames, of which nobody says how many make a second.
        fields, part = fields[:-1], 0.0
    *hours, minutes, seconds = (int(field or 0) for field in fields)
    return float((hours[0] if hours else 0) * 3600 + minutes * 60 + seconds) + part


def _short(written: str) -> str:
    return repr(written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…")
