"""An unpacked archive, and the functions in it started as they are in the cloud."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest

from local.commands.package import build_archive
from tests.environment import NOWHERE, free_port, function_environment

Serve = Callable[[str], AbstractContextManager[str]]
"""Starts a function of the archive by its name; the context is its URL."""

_LAUNCHER = Path(__file__).with_name("deployed.py")
# Nothing is called, and nothing could be: no client looks for credentials or finds a service.
ENVIRONMENT = function_environment(
    DROPSIGHT_QUEUE_ENDPOINT=NOWHERE,
    STORAGE_EMULATOR_HOST=f"http://{NOWHERE}",
    FIRESTORE_EMULATOR_HOST=NOWHERE,
    GOOGLE_GEMINI_BASE_URL=f"http://{NOWHERE}",
)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    with zipfile.ZipFile(BytesIO(build_archive())) as packed:
        packed.extractall(root)
    return root


@pytest.fixture
def serve(unpacked: Path) -> Serve:
    @contextlib.contextmanager
    def serving(function: str) -> Iterator[str]:
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(unpacked),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "FUNCTION_TARGET": function,
            "FUNCTION_SOURCE": f"functions/{function}/main.py",
            # What the platform says of every function that it was not told an event of.
            "FUNCTION_SIGNATURE_TYPE": "http",
            "GUNICORN_LOG_LEVEL": "info",
            **ENVIRONMENT,
        }
        # -P: the launcher's own folder is not on the path.
        running = subprocess.Popen(
            [sys.executable, "-P", str(_LAUNCHER)],
            cwd=unpacked,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert running.stderr is not None
        try:
            said = []
            for line in running.stderr:
                said.append(line)
                if "Listening at" in line:
                    break
            else:
                pytest.fail(f"{function} did not start:\n{''.join(said)}")
            yield f"http://127.0.0.1:{port}"
        finally:
            # gunicorn's worker is in the same group; both end at once.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            running.stderr.close()

    return serving
