"""Let tasks go on, of the whole system or of one inbox."""

from __future__ import annotations

from local.commands.pause import pause_or_resume


def main(argv: list[str]) -> int:
    return pause_or_resume("resume", __doc__, argv)
