"""An unpacked archive, and the functions in it started as they are in the cloud."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest

from local.commands.package import build_archive

Serve = Callable[[str], AbstractContextManager[str]]
"""Starts a function of the archive by its name; the context is its URL."""

_LAUNCHER = Path(__file__).with_name("deployed.py")
_NOWHERE = "127.0.0.1:9"
ENVIRONMENT = {
    "DROPSIGHT_PROJECT": "acme-files",
    "DROPSIGHT_DATABASE": "dropsight-prod",
    "DROPSIGHT_INBOXES": '{"acme-inbox": {}}',
    "DROPSIGHT_REQUESTS_BUCKET": "acme-requests",
    "DROPSIGHT_RESULTS_BUCKET": "acme-results",
    "DROPSIGHT_DISPATCH_QUEUE": "projects/acme-files/locations/europe-west1/queues/dispatch",
    "DROPSIGHT_CALLBACK_QUEUE": "projects/acme-files/locations/europe-west1/queues/callbacks",
    "DROPSIGHT_GENERATE_URL": "https://generate.example",
    "DROPSIGHT_NOTIFY_URL": "https://notify.example",
    "DROPSIGHT_INVOKER": "queues@acme-files.iam.gserviceaccount.com",
    "DROPSIGHT_INSTALLED_AT": "2026-01-01T00:00:00Z",
    "DROPSIGHT_CALLBACK_SECRET": "whsec_dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3Rz",
    "GEMINI_API_KEY": "AIza-test",
    # Nothing is called, and nothing could be: no client looks for credentials or finds a service.
    "DROPSIGHT_QUEUE_ENDPOINT": _NOWHERE,
    "STORAGE_EMULATOR_HOST": f"http://{_NOWHERE}",
    "FIRESTORE_EMULATOR_HOST": _NOWHERE,
    "GOOGLE_GEMINI_BASE_URL": f"http://{_NOWHERE}",
}


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
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
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
