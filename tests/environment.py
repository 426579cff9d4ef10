"""The environment in which any of the functions starts."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import MovableClock

NOWHERE = "127.0.0.1:9"
"""A port at which nothing answers."""

_FIRST_PORT, _PORTS = 15_000, 15_000
"""Below those that Linux gives to who asks for any: 32,768 and above."""
NO_AUTHORITY = str(Path(__file__).with_name("no_authority.pem"))
"""A certificate that nobody has the key of, for clients that want at least one authority."""
CALLBACK_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def function_environment(**variables: str) -> dict[str, str]:
    """Return the settings of all five functions; `variables` are added, or replace what stands here."""
    return {
        "GOOGLE_CLOUD_PROJECT": "test",
        "GEMINI_API_KEY": "stand-in",
        "DROPSIGHT_PROJECT": "test",
        "DROPSIGHT_ENVIRONMENT": "test",
        "DROPSIGHT_INBOXES": '{"inbox": {}}',
        "DROPSIGHT_REQUESTS_BUCKET": "requests",
        "DROPSIGHT_RESULTS_BUCKET": "results",
        "DROPSIGHT_DISPATCH_QUEUE": "projects/test/locations/here/queues/dispatch",
        "DROPSIGHT_CALLBACK_QUEUE": "projects/test/locations/here/queues/callbacks",
        "DROPSIGHT_GENERATE_URL": f"http://{NOWHERE}",
        "DROPSIGHT_NOTIFY_URL": f"http://{NOWHERE}",
        "DROPSIGHT_INVOKER": "tasks@test.iam.gserviceaccount.com",
        "DROPSIGHT_CALLBACK_SECRET": CALLBACK_SECRET,
        "DROPSIGHT_INSTALLED_AT": "2020-01-01T00:00:00+00:00",
        **variables,
    }


def move_to_morning(clock: MovableClock) -> MovableClock:
    """Move the clock past the next midnight (UTC) if it is afternoon: what a test counts by the day is on one."""
    clock.advance(seconds_to_morning(clock.now()))
    return clock


def seconds_to_morning(now: datetime) -> float:
    """Return 0 before noon, then the seconds to the next midnight (UTC)."""
    if now.hour < 12:
        return 0.0
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - now).total_seconds()


@contextmanager
def unchanged_environment() -> Iterator[None]:
    """Set back the variables that are changed meanwhile, and touch no other.

    Threads of gRPC read the environment. They crash where it is cleared and filled again, as `mock.patch.dict` does.
    """
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def free_port() -> int:
    """Return a port of this machine that nobody uses, and that is given to nobody who asks for any.

    For what starts later, or again, at a port that is known before.
    """
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
