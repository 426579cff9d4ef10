"""300 files, every event five times and shuffled, a random function killed every second."""

from __future__ import annotations

import random
import threading
import time

from tests.chaos.promises import (
    answers_belong_to_their_files,
    each_object_has_one_completed_task,
    nothing_is_left_at_gemini,
    settle,
)
from tests.running import Running

_FILES = 300
_STORM_SECONDS = 20
"""How long at most functions are killed; what is left then is settled in peace."""


class Killer(threading.Thread):
    """SIGKILL to a random function every second; counts what was in flight at those moments."""

    def __init__(self, system: Running) -> None:
        super().__init__(daemon=True)
        self._system, self._over = system, threading.Event()
        self._choice = random.Random(7)
        self.kills, self.in_flight = 0, 0

    def run(self) -> None:
        while not self._over.wait(1.0):
            function = self._choice.choice(["generate", "generate", "ingest", "api"])
            if function == "generate":
                self.in_flight += self._system.control("GET", "/dispatches")["in_flight"]
            self._system.control("POST", "/kill", {"function": function})
            self.kills += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


def _all_seen_and_none_in_flight(system: Running) -> bool:
    return sum(system.states().values()) >= _FILES and not system.control("GET", "/dispatches")["in_flight"]


def test_a_storm_of_duplicates_and_kills_ends_in_one_answer_for_each_file(system: Running) -> None:
    system.control("PUT", "/events", {"copies": 5, "unordered": True})
    system.model(latency="200ms")
    names = [f"file-{number:03d}.txt" for number in range(_FILES)]
    killer = Killer(system)
    killer.start()
    uris = system.drop_many(names, lambda name: f"these are the words of {name}".encode())
    ends = time.monotonic() + _STORM_SECONDS
    while time.monotonic() < ends and not _all_seen_and_none_in_flight(system):
        time.sleep(1)
    killer.stop()
    settle(system, _FILES, seconds=180)
    assert killer.kills >= 5
    each_object_has_one_completed_task(system, uris)
    assert len(system.model_calls()) <= _FILES + killer.in_flight
    answers_belong_to_their_files(system, {uri: f"words of {uri.rsplit('/', 1)[-1]}" for uri in uris})
    nothing_is_left_at_gemini(system)


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
    each_object_has_one_completed_task(system, uris)
