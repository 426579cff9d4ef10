"""A whole local system in processes of its own, and what a test does with it: drop, look up, plant faults, count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore, storage  # type: ignore[attr-defined,unused-ignore]

from local.endpoints import PROJECT, Endpoints
from local.standins.gemini import Behaviour
from tests import function_logs, machine
from tests.environment import seconds_to_morning, unchanged_environment

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "tests" / "samples"
ENDED = ("completed", "failed")
_LONGEST_PAUSE = 0.25

Json = dict[str, Any]


class Running:
    """`with Running(DROPSIGHT_LEASE_SECONDS="20") as system:`; settings go to the functions."""

    def __init__(self, *, data: Path | None = None, **settings: str) -> None:
        self._data, self._settings = data, settings
        self.log: list[Json] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="dropsight-test-")
        ready = Path(self._folder.name) / "ready.json"
        command = [
            sys.executable,
            "-m",
            "local",
            "up",
            "--port-base",
            "0",
            "--ready-file",
            str(ready),
            "--json",
        ]
        if self._data is not None:
            command += ["--data", str(self._data)]
        for name, value in self._settings.items():
            command += ["--set", f"{name}={value}"]
        self._log_file = Path(self._folder.name) / "log.jsonl"
        self._log_file.touch()
        function_logs.watch(self._log_file)
        with self._log_file.open("wb") as log:
            environment = {**os.environ, "XDG_RUNTIME_DIR": self._folder.name}
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            until(ready.exists, 60, lambda: f"not up: {self._log_file.read_text()[-2000:]}", alive=self._process)
        except BaseException:
            self._end()
            raise
        self.endpoints = Endpoints.model_validate_json(ready.read_text())
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self._control.close()
        self._storage.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(machine.allowed(20))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        function_logs.unwatch(self._log_file)
        self._folder.cleanup()

    def _connect(self) -> None:
        self.http = httpx2.Client(
            base_url=self.endpoints.api, headers={"Authorization": f"Bearer {self.endpoints.api_key}"}, timeout=90
        )
        # To move the clock by hours takes as long as the functions take; the test's own time limit holds.
        self._control = httpx2.Client(base_url=self.endpoints.control, timeout=None)
        session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
        session.mount("http://", adapter)
        self._storage = storage.Client(
            project=PROJECT,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": self.endpoints.storage},
            _http=session,
        )

    # The one who drops files

    def drop(self, name: str, data: bytes | Path, content_type: str | None = None, **metadata: str) -> str:
        """Write an object into the inbox; returns its `gs://` name."""
        blob = self.inbox.blob(name)
        blob.metadata = {key.replace("_", "-"): value for key, value in metadata.items()} or None
        if isinstance(data, Path):
            blob.upload_from_filename(str(data), content_type=content_type)
        else:
            blob.upload_from_string(data, content_type=content_type or "application/octet-stream")
        return f"gs://{self.endpoints.inbox}/{name}"

    def drop_many(self, names: Iterable[str], data: Callable[[str], bytes]) -> list[str]:
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda name: self.drop(name, data(name), "text/plain"), names))

    @property
    def inbox(self) -> storage.Bucket:
        return self._storage.bucket(self.endpoints.inbox)

    @property
    def results(self) -> storage.Bucket:
        return self._storage.bucket(self.endpoints.results)

    def bucket(self, name: str) -> storage.Bucket:
        return self._storage.bucket(name)

    # The one who asks over HTTP

    def tasks(self, **filters: str | int) -> list[Json]:
        """Every task that the filters let through, over all pages."""
        found: list[Json] = []
        after: str | None = None
        while True:
            page = self.http.get("/v1/tasks", params={"limit": 100, **filters, **({"after": after} if after else {})})
            assert page.status_code == 200, page.text
            body = page.json()
            found += body["data"]
            if not body["has_more"]:
                return found
            after = body["next"]

    def task_of(self, uri: str, seconds: float = 10) -> Json:
        tasks: list[Json] = []

        def is_there() -> bool:
            tasks[:] = self.tasks(object=uri)
            return bool(tasks)

        until(is_there, seconds, lambda: f"no task for {uri}")
        return tasks[0]

    def end_of(self, uri: str, seconds: float = 30) -> Json:
        """The newest task of an object once it has ended."""
        task: Json = {}

        def has_ended() -> bool:
            task.clear()
            task.update(self.task_of(uri))
            return task["status"] in ENDED

        until(has_ended, seconds, lambda: f"not ended: {task}")
        return task

    def wait_for_all(self, count: int, seconds: float) -> list[Json]:
        """All tasks, once there are `count` and each has ended and nothing is left to do."""
        self.wait_for_documents(count, seconds)
        return self.tasks()

    def wait_for_documents(self, count: int, seconds: float = 20) -> None:
        """Until `count` tasks have ended and nothing is left to do; asks Firestore only."""
        until(lambda: self.have_all_ended(count), seconds, lambda: f"{self.states()}, {self.open_documents()} open")

    def have_all_ended(self, count: int) -> bool:
        """Whether there are `count` tasks, each of them has ended, and nothing is left to do for one."""
        documents = self._statuses()
        ended = [document for document in documents if document["status"] in ENDED and not document["open"]]
        return len(ended) == len(documents) >= count

    # The one who looks behind

    def documents(self) -> list[Json]:
        """The task documents as they stand in Firestore."""
        return [snapshot.to_dict() or {} for snapshot in self.firestore.collection("tasks").stream()]

    def states(self) -> Counter[str]:
        return Counter(document["status"] for document in self._statuses())

    def open_documents(self) -> int:
        return sum(bool(document["open"]) for document in self._statuses())

    def _statuses(self) -> list[Json]:
        # Whole documents hold answers, which cost more to read than a test that waits should take from the functions.
        chosen = self.firestore.collection("tasks").select(["status", "open"])
        return [snapshot.to_dict() or {} for snapshot in chosen.stream()]

    @cached_property
    def firestore(self) -> firestore.Client:
        # The client reads the variable as it is made; other tests must not see it.
        with unchanged_environment():
            os.environ["FIRESTORE_EMULATOR_HOST"] = self.endpoints.firestore
            return firestore.Client(project=PROJECT, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self._control.request(method, path, json=body if method != "GET" else None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, service: str, match: str = "", **effects: object) -> None:
        self.control("POST", "/faults", [{"service": service, "match": match, **effects}])

    def calls(self, service: str, match: str = "") -> list[Json]:
        return [
            call
            for call in self.control("GET", f"/requests?service={service}")
            if match in f"{call['method']} {call['path']}"
        ]

    def model_calls(self, *, answered: bool = True) -> list[Json]:
        """Calls that Gemini bills: generations that it answered."""
        calls = self.calls("gemini", "enerateContent")
        return (
            [call for call in calls if call["status"] in (200, "killed after", "dropped after", "cut")]
            if answered
            else calls
        )

    def gemini_files(self) -> list[str]:
        page = httpx2.get(
            f"{self.endpoints.gemini}/v1beta/files",
            params={"pageSize": 100},
            headers={"x-goog-api-key": "any"},
            timeout=60,
        ).json()
        return [file["name"] for file in page.get("files", [])]

    def under_way(self) -> Json:
        """What has not come to its end, by kind; empty when nothing is under way."""
        counts: Json = self.control("GET", "/in-flight")
        return {kind: count for kind, count in counts.items() if count}

    def leave_nothing_behind(self, seconds: float = 30) -> None:
        """Set everything back for the next test of this system, and wait until what was begun has ended."""
        self.control("DELETE", "/faults")
        self.control("PUT", "/events", {"copies": 1, "delay": "0s", "hold": False, "unordered": False})
        self.model(**dict.fromkeys(Behaviour.model_fields))
        until(lambda: not self.under_way(), seconds, lambda: f"the test left behind: {self.under_way()}")
        assert self.control("GET", "/model") == Behaviour().model_dump(mode="json")

    def advance(self, duration: str) -> None:
        self.control("PUT", "/clock", {"advance": duration})

    def move_to_morning(self) -> None:
        """Move the clock past the next midnight (UTC) if it is afternoon: what the test counts by the day is on one."""
        now = datetime.fromisoformat(self.control("GET", "/clock")["now"])
        self.advance(f"{seconds_to_morning(now):f}s")

    def model(self, **behaviour: object) -> None:
        self.control("PUT", "/model", behaviour)

    def sweep(self, **wanted: object) -> Json:
        answer: Json = self.control("POST", "/sweep", wanted)
        return answer

    def logged(self, action: str) -> list[Json]:
        records = []
        for line in self._log_file.read_text().splitlines():
            if action not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if record.get("action") == action:
                records.append(record)
        return records

    @property
    def whole_log(self) -> str:
        return self._log_file.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid


def until(
    holds: Callable[[], object],
    seconds: float,
    otherwise: Callable[[], str],
    *,
    pause: float = 0.05,
    alive: subprocess.Popen[bytes] | None = None,
) -> None:
    """Wait for what another process does; AssertionError with `otherwise()` when it does not.

    `seconds` is what it may take on a quiet machine; a busy one is given longer. The pauses between looks grow, since
    to look takes the processor from what is waited for.
    """
    began = time.monotonic()
    while not holds():
        if alive is not None and alive.poll() is not None:
            raise AssertionError(otherwise())
        waited = time.monotonic() - began
        if waited > seconds and waited > machine.allowed(seconds):
            raise AssertionError(f"not within {waited:.0f} s: {otherwise()} ({machine.condition()})")
        time.sleep(pause)
        pause = max(pause, min(1.2 * pause, _LONGEST_PAUSE))
