"""SIGKILL between the parts of a text that is read aloud: only the part that was not stored is paid for again."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import pytest

from tests.chaos.promises import settle
from tests.running import Running

TEXT = "".join(f"Day {number}: the river rose, and the lower road was gone by noon. " for number in range(1000, 1140))
"""Three parts."""
STORING = "POST /upload/storage/v1/b/dropsight-results/o"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with Running() as system:
        yield system


def test_a_kill_costs_a_call_only_where_its_speech_was_not_stored(running: Running) -> None:
    # Of each part the speech is stored, then the record that names it: the first kill loses nothing, the second a call.
    running.fault("storage", STORING, skip=1, kill="after", times=1)
    running.fault("storage", STORING, skip=2, kill="before", times=1)
    uri = running.drop("flood.txt", TEXT.encode(), "text/plain", dropsight_recipe="speak")
    settle(running, 1, seconds=300)
    assert running.control("GET", "/faults") == [], "a kill was never reached"
    task = running.end_of(uri)
    assert task["status"] == "completed", task
    assert len(running.model_calls()) == 3 + 1
    blob = next(blob for blob in running.results.list_blobs() if blob.name.endswith("flood.txt.wav"))
    with wave.Wave_read(io.BytesIO(blob.download_as_bytes())) as sound:
        # Two parts have two minutes.
        assert sound.getnframes() > 130 * 24_000
    running.control("POST", "/events/replay", {"times": 3})
    settle(running, 1, seconds=300)
    assert len(running.model_calls()) == 3 + 1
