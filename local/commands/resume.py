"""Let tasks go on, of the whole system or of one inbox."""

from __future__ import annotations

from local.commands.pause import hold_up


def main(argv: list[str]) -> int:
    return hold_up("resume", __doc__, argv)
