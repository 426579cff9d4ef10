"""300 files, each event delivered five times in random order, and a random function killed every second."""

from __future__ import annotations

import random
import threading
import time

from tests.chaos.promises import (
    assert_answers_belong_to_their_files,
    assert_each_object_has_one_completed_task,
    assert_nothing_is_left_at_gemini,
    settle,
)
from tests.running import Running

_FILES = 300
_LEAST_KILLS = 5
_CONCURRENCY = 8
"""Dispatches that the local system's queue has in flight at most: what one kill may cost."""
_STORM_SECONDS = 20
"""How long functions are killed at most; the remaining work then ends without kills."""


class Killer(threading.Thread):
    """Kills a random function every second, and counts the kills."""

    def __init__(self, system: Running) -> None:
        super().__init__(daemon=True)
        self._system, self._stopped = system, threading.Event()
        self._choice = random.Random(7)
        self.kills, self.kills_of_generate = 0, 0

    def run(self) -> None:
        while not self._stopped.wait(1.0):
            function = self._choice.choice(["generate", "generate", "ingest", "api"])
            self._system.control("POST", "/kill", {"function": function})
            self.kills += 1
            self.kills_of_generate += function == "generate"

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _all_files_have_ended(system: Running) -> bool:
    return sum(system.states().values()) >= _FILES and not system.control("GET", "/dispatches")["in_flight"]


def test_each_file_is_answered_once_under_duplicates_and_kills(system: Running) -> None:
    system.control("PUT", "/events", {"copies": 5, "unordered": True})
    system.model(latency="200ms")
    names = [f"file-{number:03d}.txt" for number in range(_FILES)]
    killer = Killer(system)
    killer.start()
    uris = system.drop_many(names, lambda name: f"these are the words of {name}".encode())
    ends = time.monotonic() + _STORM_SECONDS
    while killer.kills < _LEAST_KILLS or (time.monotonic() < ends and not _all_files_have_ended(system)):
        time.sleep(1)
    killer.stop()
    settle(system, _FILES, seconds=180)
    assert_each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) <= _FILES + killer.kills_of_generate * _CONCURRENCY
    assert_answers_belong_to_their_files(system, {uri: f"words of {uri.rsplit('/', 1)[-1]}" for uri in uris})
    assert_nothing_is_left_at_gemini(system)


def test_a_late_duplicate_changes_nothing(system: Running) -> None:
    uris = system.drop_many(["a.txt", "b.txt"], lambda name: name.encode())
    settle(system, 2)
    before = system.documents()
    system.control("POST", "/events/replay", {"times": 5})
    system.advance("3h")
    system.control("POST", "/events/replay", {"times": 5})
    settle(system, 2)
    assert system.documents() == before
    assert len(system.model_calls()) == 2
    assert_each_object_has_one_completed_task(system, uris)
