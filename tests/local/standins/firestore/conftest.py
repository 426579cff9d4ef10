"""Clients of the stand-in, or of another Firestore.

With FIRESTORE_EMULATOR_HOST and GOOGLE_CLOUD_PROJECT set, what is tested through `db` and `async_db` is whatever
answers there. Tests that need the stand-in itself (its clock, its disk, its indexes) start one of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore

from tests.environment import free_port

ROOT = Path(__file__).parents[4]
CHOSEN = os.environ.get("FIRESTORE_EMULATOR_HOST")
"""As it is before the tests of other packages point Google's clients at stand-ins of their own."""
PROJECT = os.environ.get("GOOGLE_CLOUD_PROJECT", "stand-in")


class Process:
    """A stand-in in a process of its own; `restart` brings it back on the same port."""

    def __init__(self, *arguments: str | Path) -> None:
        self._arguments = [str(argument) for argument in arguments]
        self.port = free_port()
        self.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.local.standins.firestore.standalone", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._arguments], stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "GRPC_VERBOSITY": "NONE"}
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    if CHOSEN is not None:
        yield CHOSEN
        return
    process = Process()
    yield process.host
    process.kill()


@pytest.fixture
def host(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The service that a client finds that is made within the test."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    return address


@pytest.fixture(scope="session")
def db(address: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRESTORE_EMULATOR_HOST", address)
        client: Any = firestore.Client(project=PROJECT)
    yield client
    client.close()


@pytest.fixture
async def async_db(host: str) -> AsyncIterator[Any]:
    client = firestore.AsyncClient(project=PROJECT)
    yield client
    await client._firestore_api.transport.close()


@pytest.fixture
def collection(db: Any) -> Any:
    """A collection that no other test uses."""
    return db.collection(f"c-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def launch() -> Iterator[Callable[..., Process]]:
    """Starts stand-ins with command line options; they end with the test."""
    started: list[Process] = []

    def start(*arguments: str | Path) -> Process:
        started.append(Process(*arguments))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Clients of a stand-in that a test started."""
    clients: list[Any] = []

    def client(process: Process, project: str = "own", database: str | None = None) -> Any:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", process.host)
        clients.append(firestore.Client(project=project, database=database))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


@pytest.fixture
def indexes() -> Path:
    """The indexes that are deployed."""
    return ROOT / "terraform" / "firestore.indexes.json"
