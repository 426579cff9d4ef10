"""Moments of a recording as people and models write them: MM:SS or HH:MM:SS, with or without fractions."""

from __future__ import annotations

import re

_MOMENT = re.compile(r"(?:(?P<hours>\d{1,3}):)?(?P<minutes>\d{1,4}):(?P<seconds>\d{1,2}(?:[.,]\d{1,6})?)")


def seconds_of(written: str) -> float:
    """Seconds from the beginning. Raises ValueError for what is no moment."""
    found = _MOMENT.fullmatch(written.strip().strip("[]()"))
    if found is None:
        raise ValueError(f"{written!r} is no time: write MM:SS or HH:MM:SS")
    hours, minutes, seconds = found["hours"], int(found["minutes"]), float(found["seconds"].replace(",", "."))
    if seconds >= 60 or (hours is not None and minutes >= 60):
        raise ValueError(f"{written!r} is no time: minutes and seconds end at 59")
    return int(hours or 0) * 3600 + minutes * 60 + seconds


def written(seconds: float) -> str:
    """MM:SS, or HH:MM:SS from the first hour on: the form that the guide "Audio understanding" refers to."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    return f"{hours:02}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
