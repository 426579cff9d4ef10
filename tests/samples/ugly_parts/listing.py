"""Lists what should become of each ugly sample, and writes it."""

from __future__ import annotations

from pathlib import Path

GOOD = Path(__file__).parents[1]
HERE = GOOD / "ugly"

FAILED, TYPE, EMPTY, LONG = "file_processing_failed", "unsupported_content_type", "empty_file", "media_too_long"

expected: dict[str, dict[str, object]] = {}


def completes(name: str, data: bytes | None, mime: str, **facts: object) -> None:
    """`name` should be sent as `mime`; `facts` are what the examiner should find. Data of None: made by make.sh."""
    expected[name] = {"outcome": "completed", "mime": mime, **({"facts": facts} if facts else {})}
    if data is not None:
        (HERE / name).write_bytes(data)


def converts(name: str, data: bytes | None, mime: str, sent: str, **facts: object) -> None:
    """`name` should be found to be `mime`, and be sent as `sent`."""
    completes(name, data, mime, **facts)
    expected[name]["sent"] = sent


def fails(name: str, data: bytes | None, code: str, says: str) -> None:
    """`name` should be refused with `code` and a message that holds `says`."""
    expected[name] = {"outcome": "failed", "code": code, "says": says}
    if data is not None:
        (HERE / name).write_bytes(data)


def splits(name: str, data: bytes, says: str) -> None:
    """`name` is too long for one call, as a message that holds `says` tells where it is not split."""
    fails(name, data, LONG, says)
    expected[name]["outcome"] = "split"


def good(name: str) -> bytes:
    return (GOOD / name).read_bytes()


def encoded(name: str) -> bytes:
    return (HERE / name).read_bytes()
